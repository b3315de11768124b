"""`make torture`: kills, faults, mutated inputs, hostile requests and crowds of readers, against the whole project.

Every scenario is drawn from a seed, runs in an empty folder of its own, is bounded in time, and says what it lost.
"""
