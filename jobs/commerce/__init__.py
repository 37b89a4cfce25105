"""What becomes of orders and goods, alike by a command and by a queue.

stock   goods leave it with an order, and come back
steps   an order is confirmed
told    the events about orders, goods and deliveries
money   amounts as people read them
"""
