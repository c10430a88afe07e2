"""Decision or perception: do neurons that were found under one way of asking matter under another?"""
