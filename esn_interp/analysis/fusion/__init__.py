"""Languages and corpora together: do neurons that several corpora share work on a corpus that was left out?"""
