"""Downloads, Java, processes and ports: what starting a program needs, whatever the program."""
