"""The kind "camera": where a scene is seen from."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Annotated, Any, ClassVar, Self

import numpy as np
from pydantic import Field, field_validator, model_validator

from gesso.conditions.condition import Clean, Condition, Truth
from gesso.errors import GessoError, short_repr
from gesso.media.file import parse_json
from gesso.ports import Frame, Ports, PortSizes

NAMES = ("azimuth", "elevation", "distance", "roll", "fov")
FIX = 'orbit AZIMUTH ELEVATION [DISTANCE [ROLL [FOV]]], such as "orbit 40 20 4", or {"matrix": 4 × 4 numbers, "fov": degrees}'
Row = tuple[float, float, float, float]


class Camera(Condition):
    """An orbit around the scene's middle, or a camera-to-world `matrix` (OpenGL: the camera looks along its -z, +y is up).

    Angles are degrees. `azimuth` turns about the scene's upward axis, 0 on its x axis; `elevation` rises from the ground; `roll`
    turns the picture. `distance` is from the scene's middle in its units; 0 is the mean distance of the scene's photographs, and
    `zoom` divides either. `fov` is the horizontal angle of view; 0 is the photographs' own.
    """

    kind: ClassVar[str] = "camera"
    notation: ClassVar[str] = "orbit AZIMUTH ELEVATION [DISTANCE [ROLL [FOV]]]"
    azimuth: float = Field(default=0.0, ge=-3600, le=3600)
    elevation: float = Field(default=0.0, ge=-90, le=90)
    distance: float = Field(default=0.0, ge=0, le=1e6)
    zoom: float = Field(default=1.0, ge=0.05, le=20)
    roll: float = Field(default=0.0, ge=-3600, le=3600)
    fov: float = Field(default=0.0, ge=0, lt=170)
    matrix: Annotated[tuple[Row, Row, Row, Row] | None, Field(description="camera-to-world, row by row")] = None

    @field_validator("matrix", mode="before")
    @classmethod
    def _of_three_rows(cls, value: Any) -> Any:
        if isinstance(value, (list, tuple, np.ndarray)) and len(value) == 3:
            return [*(list(map(float, row)) for row in value), [0.0, 0.0, 0.0, 1.0]]
        return value.tolist() if isinstance(value, np.ndarray) else value

    @model_validator(mode="after")
    def _is_a_camera(self) -> Self:
        if self.fov and self.fov < 1:
            raise ValueError("the angle of view is under one degree")
        if self.matrix is None:
            return self
        if self.azimuth or self.elevation or self.distance or self.roll or self.zoom != 1:
            raise ValueError("an orbit and a matrix exclude each other")
        whole = np.array(self.matrix)
        turn = whole[:3, :3]
        if np.abs(whole).max() > 1e6 or whole[3].tolist() != [0, 0, 0, 1]:
            raise ValueError("the matrix's last row is 0 0 0 1, and its numbers are below a million")
        if np.abs(turn @ turn.T - np.eye(3)).max() > 1e-2 or np.linalg.det(turn) < 0:
            raise ValueError("the matrix does not turn: its first three columns must be unit vectors at right angles")
        return self

    @classmethod
    def read(cls, given: Any, *, where: str, options: Mapping[str, Any]) -> Self:
        """Parse "orbit 40 20 4", JSON or a mapping with the fields' names, or a matrix of 4 × 4 or 3 × 4 numbers."""
        if isinstance(given, str):
            return cls._from_text(given, where)
        if isinstance(given, np.ndarray) or (isinstance(given, (list, tuple)) and len(given) in (3, 4)):
            return cls.model_validate({"matrix": given})
        if isinstance(given, Mapping):
            return cls.model_validate(dict(given))
        raise GessoError(f"{short_repr(given)} is not a camera", where=where, fix=FIX)

    @classmethod
    def _from_text(cls, text: str, where: str) -> Self:
        plain = text.strip()
        if plain[:1] in ("{", "["):
            return cls.read(parse_json(plain, where=where), where=where, options={})
        word, *cells = plain.replace(",", " ").split()[:8] or [""]
        if word != "orbit" or not 2 <= len(cells) <= len(NAMES):
            raise GessoError(f"{short_repr(text)} is not a camera", where=where, fix=FIX)
        try:
            values = [float(cell) for cell in cells]
        except ValueError:
            raise GessoError(f"{short_repr(text)} is not a camera", where=where, fix=FIX) from None
        return cls.model_validate(dict(zip(NAMES, values, strict=False)))

    @classmethod
    def sizes(cls, options: Mapping[str, Any]) -> PortSizes:
        return PortSizes()

    @classmethod
    def encode(cls, values: Sequence[Self | None], frame: Frame) -> Ports:
        """Encode as geometry: `camera` [b 4 4], `fov` [b] in degrees, and `form` [b].

        form 0: no camera. 1: a matrix of the world. 2: an orbit, around the scene's middle with z up, in the scene's units.
        3: an orbit whose camera is one unit away, to be scaled to the scene's own distance.
        """
        import torch

        matrices = torch.eye(4).repeat(len(values), 1, 1)
        fov, form = torch.zeros(len(values)), torch.zeros(len(values), dtype=torch.int64)
        for row, value in enumerate(values):
            if value is not None:
                fov[row] = value.fov
                form[row] = 1 if value.matrix is not None else 2 if value.distance else 3
                matrices[row] = torch.from_numpy(value.to_matrix()).float()
        return Ports(geometry={"camera": matrices, "fov": fov, "form": form})

    def to_matrix(self) -> np.ndarray:
        """Camera-to-world [4 4]: the matrix, or the orbit's around the origin with z up (from 1 away, if it has no distance)."""
        if self.matrix is not None:
            return np.array(self.matrix)
        return orbit(self.azimuth, self.elevation, (self.distance or 1.0) / self.zoom, self.roll)

    def turn(self, num: int) -> list[Self]:
        """This camera, and `num` - 1 more at equal angles around the scene. GessoError for a matrix."""
        if self.matrix is not None:
            raise GessoError("a turn begins at an orbit, not at a matrix", where="camera", fix='"orbit 40 20"')
        return [self.model_copy(update={"azimuth": (self.azimuth + 360 * n / num + 180) % 360 - 180}) for n in range(num)]

    @classmethod
    def simulate(cls, clean: Clean, rng: np.random.Generator, budget: float, given: Any = None) -> tuple[Self | None, Truth]:
        """A user who turns the scene: any side, mostly from above."""
        azimuth, elevation = float(rng.uniform(-180, 180)), float(rng.uniform(-10, 80))
        return cls(azimuth=round(azimuth, 1), elevation=round(elevation, 1)), {}

    @classmethod
    def control(cls, options: Mapping[str, Any]) -> dict[str, Any]:
        return {"tool": "orbit", "schema": cls.model_json_schema()}


def orbit(azimuth: float, elevation: float, distance: float, roll: float = 0.0) -> np.ndarray:
    """The camera-to-world matrix of a camera that looks at the origin, z up; at the poles, up is away from the azimuth."""
    a, e, r = (math.radians(angle) for angle in (azimuth, elevation, roll))
    back = np.array([math.cos(a) * math.cos(e), math.sin(a) * math.cos(e), math.sin(e)])
    right = np.array([-math.sin(a), math.cos(a), 0.0])
    up = np.cross(back, right)
    whole = np.eye(4)
    whole[:3, 0] = math.cos(r) * right + math.sin(r) * up
    whole[:3, 1] = math.cos(r) * up - math.sin(r) * right
    whole[:3, 2] = back
    whole[:3, 3] = distance * back
    return whole
