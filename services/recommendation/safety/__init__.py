"""What a patient's record says against a treatment or a drafted order: one engine for both.

`rules.py` reads the rules, which are tables beside it; `facts.py` finds what of a record they speak of;
`check.py` holds drugs against that; `orders.py` ranks it for drafted orders. Pure: no gRPC, no models.
"""
