"""Tasks for bots: jobs that wait for one are handed to those that are connected and said `ready`.

bots        who is there, what they hold, and who takes the next one; in memory
handing     jobs become tasks: chosen, paced, put into a bot's format, and noted as held
files       where a gateway finds the file of a message
answers     what bots say of their tasks, many in one commit
holding     tasks whose bot is gone or silent: for how long they are held, and then
parents     bulk sends: how far they are, and their end
dispatcher  all of them for one hub, woken by what happens

The database is the truth: a task is a job that is `running` and awaits a bot, held by the row of
this hub in `workers`. What is kept here can be lost, and is found again when a hub starts.
"""
