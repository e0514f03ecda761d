"""`make capacity`: how many cores, replicas and GPUs a load needs, from what `make bench` measured.

costs       what one study, case or image takes of each process (docs/performance.json)
queues      waiting for one of several servers, by simulation
checking    the simulation beside a measured run: utilisation, p50, p99
plans       what a hospital, a network and the world need
page        docs/capacity.md's tables
"""
