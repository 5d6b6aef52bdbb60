"""What `lidbook doctor` looks at: the machine, the data dir, what is installed and how it is configured.

Nothing here changes anything, and each check goes on when another one has found something.
"""
