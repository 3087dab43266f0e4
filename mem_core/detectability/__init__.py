"""How easily protected samples are told from clean ones, and how much of their noise can be taken out."""
