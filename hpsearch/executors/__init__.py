"""Where trials run. An executor takes jobs and returns events; all data between the processes is plain.

protocol      Executor, Job and the events
local         long-lived worker processes on this machine
worker        what runs inside a worker; user_content: the user's own data and modules there
child         how forked processes start and end
resources     limits of a trial, and system metrics
peak          how fast all workers together multiply matrices
"""
