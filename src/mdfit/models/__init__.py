"""What is trained and saved: parameters apart from what stays as it is."""

from mdfit.models.parameters import Parameters, part_of_step

__all__ = ["Parameters", "part_of_step"]
