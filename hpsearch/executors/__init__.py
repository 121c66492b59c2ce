"""Where trials run. An executor takes jobs and gives events; everything that passes is plain data.

protocol   Executor, Job and the events
local      long-lived worker processes on this machine
worker     what runs inside a worker
child      how forked processes start and end
watch      whether a worker is at work, and its trial within its limits
peak       how fast all workers together could multiply matrices
"""
