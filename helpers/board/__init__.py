"""What a learner has done, and the room's board: noted while a lesson is open, for ``lab progress`` and ``lab board``.

Everything stays on the learner's machine. Only after ``lab join --board`` it goes to the room's MQTT broker too.
"""
