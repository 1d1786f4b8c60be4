"""Diamond from its measured elastic constants.

A DimeNet++ network on a Stillinger-Weber prior learns zero stress and C11, C12, C44 at 298 K by trajectory reweighting:
S. Thaler, J. Zavadlav, Nat. Commun. 12, 6884 (2021), doi:10.1038/s41467-021-27241-4.
"""

from diamond_figures import draw_constants, draw_learning
from diamond_training import SETTINGS, judge, start, train

from mdfit.potentials import load
from mdfit.recipes.metrics import Metrics
from mdfit.recipes.script import Request

SCALES = ("cpu", "demo", "paper")


def run(request: Request) -> Metrics:
    """Trains in phases of growing length, then judges the prior and the outcome by simulations of their own."""
    settings = SETTINGS[request.scale]
    validation = settings.validation
    potential = start(request.seed)
    before = request.stage(
        "before", lambda: judge(potential, validation, validation.duration_of_prior, request, "before")
    )
    history = []
    for phase in settings.phases:
        with request.timed(f"training {phase.name}"):
            result = train(potential, phase, settings.cells, request)
        potential = result.last
        history += result.history
    potential.save(request.out / "diamond.mdfit")
    draw_learning(history, request.out / "learning.png")
    trained = load(request.out / "diamond.mdfit")
    after = request.stage("after", lambda: judge(trained, validation, validation.duration, request, "after"))
    draw_constants(before, after, request.out / "elastic_constants.png")
    return after | {f"before/{name}": metric for name, metric in before.items()}
