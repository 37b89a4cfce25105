"""The four queues: work that is never lost.

A job is a row of `jobs`, written in the transaction of its cause. Behind the commit its id goes to
arq; a worker claims the row, performs the task and writes what came of it, in one transaction with
whatever the task changes. arq carries ids and nothing else: what it loses, the database knows.
"""
