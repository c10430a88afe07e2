"""Are the neurons of a heard emotion those of the same emotion when it is read?"""
