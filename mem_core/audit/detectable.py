"""How easily protected samples were told from clean ones."""

from mem_core.config import Frozen


class Detectability(Frozen):
    """image_auc, text_auc: of a linear classifier on statistics of pictures and of captions. purifier_auc: of how much
    the purifier removes from a picture. noise_before, noise_after: mean size of what is left of the noise, in levels
    of 1/255, before and after purification. damage: the same for clean pictures, which it should leave alone.
    """

    format: int = 1
    learned_from: int
    judged_on: int
    image_auc: float
    text_auc: float
    purifier_auc: float
    noise_before: float
    noise_after: float
    damage: float
