"""Small SVG plots of our own: no script, no font, no external reference.

Colours are classes of the page's style sheet, so that the same picture reads in light, in dark and
in print. Two kinds: strips (`strip.py`) are as wide as their table cell and hold no text; charts
(`chart.py`) have axes and are drawn for a width of 360 units, which is a phone's.
"""
