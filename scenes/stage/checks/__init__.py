"""What a lecturer would notice at the back of the hall, noticed by the program.

A scene that is watched is looked at after every animation and every rest, when
what moved has come to rest.  Lengths are pixels of a 1280×720 frame.

- **Frame.** Nothing that can be seen reaches over the edge of the frame, and
  nothing lies in the strip that belongs to the captions.
- **Overlap.** Words do not touch other words or a picture, no line and no point
  runs through words, and no picture lies over a part of another.  Shapes may lie
  on shapes and on pictures: that is how a knob stands on its axis, a point on its
  curve, a border round its tile.  Words may stand on a filled shape that holds
  them whole, and what lies under a solid one is not there.  A picture may cover
  another one exactly.  What is meant to lie where it lies is said to be
  (``scenes.stage.layout.on_purpose``).
- **Size.** Words and formulas are set in 28 of manim's points or more: letters
  without ascenders are then 14 of 720 pixels high in words and 12 in formulas,
  which is 8 and 7 minutes of arc seen from six times the height of the screen;
  5 is what a good eye just reads.  Indices may be smaller.
- **Contrast.** Words have 4.5:1 against what lies under them (WCAG 2.2, 1.4.3),
  their opacity included.  Those that recede, at less than full opacity, have at
  least the 3:1 that WCAG asks of letters of this size.
- **Pace.** While a sentence is said something moves, or it moved at most 2 s
  before; no picture stands still for more than 5 s.  No silence lasts more than
  3 s, no sentence more than 12 s.

The camera is taken to stand still.  A watcher makes a rehearsal about a
tenth slower; a scene that has none costs nothing.
"""
