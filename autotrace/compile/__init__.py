"""From a program to a faster one."""
