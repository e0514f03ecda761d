"""The load-test harness: `python -m clients.loadtest` or `medmesh loadtest`.

Open loop: requests arrive at a rate, whatever the answers do, as patients do. Latency counts from the moment
at which a request was meant to be sent, so that a stalled server cannot hide behind requests that it kept
from being sent (coordinated omission). Closed loop: a fixed number of users, each of whom waits for the
answer before asking again.
"""
