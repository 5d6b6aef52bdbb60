"""Reading the user's own address book: vCard 2.1 to 4.0, and the CSV exports of Google and Outlook.

May import identifiers and errors only; every card and number that cannot be used is counted and named.
"""
