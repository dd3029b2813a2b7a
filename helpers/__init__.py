"""What stands behind the lessons: the local brokers, the generator fleet, the bridge and the exercise checks."""
