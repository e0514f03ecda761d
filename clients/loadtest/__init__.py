"""The load-test harness: `medmesh loadtest` or `python -m clients.loadtest`.

A profile (`profile.py`; from TOML: `profile_file.py`) says what is sent and when. `coordinator.py` starts
load processes (`worker.py`, `generator.py`), counts what they measured (`statistics.py`) and watches the
servers (`server_side.py`). `report.py` makes a report of it all, which `view.py` and `html.py` show.

Open loop: requests arrive at a rate, whatever the answers do, as patients do. Latency counts from the moment
at which a request was meant to be sent, so that a stalled server cannot hide behind requests that it kept
from being sent (coordinated omission). Closed loop: a fixed number of users, each of whom waits for the
answer before asking again.
"""
