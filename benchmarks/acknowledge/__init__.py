"""Durable acknowledgement over MLLP at 1, 8 and 64 connections: intake alone, then with every stage running.

The load generator is a process of its own and shares the machine's cores with what it measures.
"""
