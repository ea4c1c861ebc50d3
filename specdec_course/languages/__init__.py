"""Other languages than English: `blocks` cuts prose, `messages` finds what a program says, `po` keeps the translations.

Knows: the languages that the course has been translated into. Does not know: units, exercises, notebooks. English
needs none of it: nothing here is read until another language is asked for.
"""
