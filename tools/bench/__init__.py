"""`make bench`: how fast medmesh is beside what it stands on, as ratios within one run.

rows        what a row of the table is; `imaging`, `language`, `orchestrator`, `mesh` hold the rows
sides       what is measured in a row: an rpc of a mesh, work in a process of its own, another server
sampling    one stretch of a closed loop: answers, latencies, processor time and memory of each process
meshes      the meshes that are measured, each started once
running     the rounds: every side of a row in turn, so that what disturbs one disturbs all
record      the figures as they are kept (docs/performance.json), and what counts as worse
page        docs/performance.md's table
machine     what it was measured on
pictures    the images, made here from a drawn film, with the grain that makes decoding cost what it does
"""
