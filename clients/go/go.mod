module medmesh

go 1.19
