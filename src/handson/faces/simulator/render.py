"""One scene to one picture and its landmarks."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from handson.faces.simulator import meshes
from handson.faces.simulator.accessories import Canvas, draw_glasses, draw_occluder
from handson.faces.simulator.camera import photograph
from handson.faces.simulator.geometry import landmark_points, person_sections
from handson.faces.simulator.meshes import CURTAIN, GRIDS, POINTS, STARTS, topology
from handson.faces.simulator.picture import shade_pixels
from handson.faces.simulator.rasterise import (
    SHADOW_CENTRE,
    SHADOW_SIZE,
    SHADOW_SPAN,
    draw_triangles,
    light_frame,
    light_points,
    rotation,
    transform_points,
)

# The size that the scale of a scene, in pixels per millimetre, is meant for.
AVERAGE_SIZE = 96
# Pixels of the drawing per pixel of the picture along each axis; the blur hides what is lost in sharpness.
OVERSAMPLING = 1.25
# The detector's box is centred across on the head, and up and down on the face. The head turns about its
# neck.
BOX_CENTRE_ACROSS, BOX_CENTRE_DOWN = np.array([0.0, 21.0, 20.0]), np.array([0.0, 21.0, 85.0])
NECK_JOINT = np.array([0.0, 60.0, -10.0])
TRIANGLES, TRIANGLE_PART = topology()
# Shadows are soft: a coarser head throws the same ones.
COARSE_TRIANGLES, COARSE_PART = topology(stride=2)
# Below every depth.
FAR = -1e9


class View(NamedTuple):
    """How the head is turned, and where its points fall on the drawing."""

    turn: np.ndarray
    scale: float
    offset: np.ndarray

    def project(self, points: np.ndarray) -> np.ndarray:
        """Return x and y in pixels of the drawing, and z in millimetres, of points of the head."""
        posed = (points - NECK_JOINT) @ self.turn.T + NECK_JOINT
        posed[:, :2] = posed[:, :2] * self.scale + self.offset
        return posed


def view_of(scene: np.void, side: int) -> View:
    """Return the view of a scene on a drawing of ``side`` pixels."""
    turn = rotation(scene["yaw"], scene["pitch"], scene["roll"])
    across = turn[0] @ (BOX_CENTRE_ACROSS - NECK_JOINT) + NECK_JOINT[0]
    down = turn[1] @ (BOX_CENTRE_DOWN - NECK_JOINT) + NECK_JOINT[1]
    scale = scene["scale"] * side / AVERAGE_SIZE
    shift = np.array([scene["shift_x"], scene["shift_y"]]) * side / AVERAGE_SIZE
    return View(turn, scale, 0.5 * (side - 1) + shift - scale * np.array([across, down]))


class Drawing:
    """The buffers that pictures of ``size`` pixels are drawn in, one after the other."""

    def __init__(self, size: int):
        self.size, self.side = size, round(size * OVERSAMPLING)
        self.points, self.places, self.screen, self.shadow_screen = (np.zeros((POINTS, 3)) for _ in range(4))
        self.shade, self.gloss = np.zeros(POINTS), np.zeros(POINTS)
        self.picture = np.zeros((self.side, self.side))
        self.depth, self.owner, self.weights = _buffers(self.side)
        self.shadow = _buffers(SHADOW_SIZE)

    def render(self, scenes: np.ndarray, generator: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
        """Return the picture (size, size), uint8, and the landmarks (15, 2) in its pixels."""
        scene = scenes[0]
        view = view_of(scene, self.side)
        landmarks = self.draw(scenes, view)
        canvas = Canvas(self.picture, self.depth, view.project)
        if scene["glasses"] > 0.0:
            draw_glasses(scene, canvas, landmarks[0, 2])
        if scene["occluder"] > 0.0:
            draw_occluder(scene, canvas, view.scale)
        image = photograph(scene, self.picture, self.size, generator)
        # The middle of the first pixel is 0 in the picture and in the drawing.
        pixels = (view.project(landmarks)[:, :2] + 0.5) * (self.size / self.side) - 0.5
        return image, pixels

    def draw(self, scenes: np.ndarray, view: View) -> np.ndarray:
        """Draw a person before a background; return the landmarks (15, 3) in coordinates of the head."""
        scene = scenes[0]
        sections = person_sections(scene)
        self._build(scenes, sections)
        grids = GRIDS if scene["hair_length"] > 0.0 else GRIDS[:-1]
        last_part = CURTAIN if scene["hair_length"] > 0.0 else CURTAIN - 1
        triangles = TRIANGLES[: np.searchsorted(TRIANGLE_PART, last_part, side="right")]
        coarse = COARSE_TRIANGLES[: np.searchsorted(COARSE_PART, last_part, side="right")]
        self._pose(scene, view)
        shadow, *unused = self.shadow
        shadow.fill(FAR)
        draw_triangles(self.shadow_screen, coarse, COARSE_PART, shadow, *unused)
        light_points(
            scenes, grids, points=self.points, shadow_screen=self.shadow_screen, shadow=shadow, shade=self.shade,
            gloss=self.gloss,
        )  # fmt: skip
        self.depth.fill(FAR)
        self.owner.fill(-1)
        draw_triangles(self.screen, triangles, TRIANGLE_PART, self.depth, self.owner, self.weights)
        shade_pixels(
            scenes, self.picture, triangles=triangles, parts=TRIANGLE_PART, owner=self.owner, weights=self.weights,
            places=self.places, shade=self.shade, gloss=self.gloss,
        )  # fmt: skip
        return landmark_points(scenes, sections)

    def _build(self, scenes: np.ndarray, sections: np.ndarray) -> None:
        """Write points and places of all parts in the coordinates of the head."""
        scene = scenes[0]
        head, ears, neck, torso, curtain = (
            (self.points[start:stop], self.places[start:stop])
            for start, stop in zip(STARTS[[0, 1, 3, 4, 5]], STARTS[[1, 3, 4, 5, 6]], strict=True)
        )
        meshes.build_head(scenes, sections, *head)
        meshes.build_ears(scene, *ears)
        meshes.build_neck(scene, *neck)
        torso[0][:] = torso[1][:] = meshes.TORSO_TEMPLATE
        torso[0][:, 1] += scene["shoulders"]
        if scene["hair_length"] > 0.0:
            meshes.build_curtain(scene, *curtain)

    def _pose(self, scene: np.void, view: View) -> None:
        """Turn all parts and write where viewer and light see them."""
        # The shoulders follow the head a little, the neck halfway.
        neck = rotation(0.7 * scene["yaw"], 0.5 * scene["pitch"], 0.7 * scene["roll"])
        torso = rotation(0.35 * scene["yaw"], 0.0, 0.3 * scene["roll"])
        turns = (view.turn, neck, torso, view.turn)
        for turn, start, stop in zip(turns, STARTS[[0, 3, 4, 5]], STARTS[[3, 4, 5, 6]], strict=True):
            part = self.points[start:stop]
            transform_points(part, turn, NECK_JOINT - turn @ NECK_JOINT, part)
        transform_points(
            self.points,
            np.array([[view.scale, 0.0, 0.0], [0.0, view.scale, 0.0], [0.0, 0.0, 1.0]]),
            np.append(view.offset, 0.0),
            self.screen,
        )
        frame = light_frame(np.array([scene["light_x"], scene["light_y"], scene["light_z"]]))
        frame[:2] *= SHADOW_SIZE / SHADOW_SPAN
        middle = np.array([0.5 * SHADOW_SIZE, 0.5 * SHADOW_SIZE, 0.0])
        transform_points(self.points, frame, middle - frame @ (0.0, SHADOW_CENTRE, 0.0), self.shadow_screen)


def _buffers(side: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return depths, seen triangles and weights of a drawing for `draw_triangles`."""
    return np.zeros((side, side)), np.zeros((side, side), np.int32), np.zeros((side, side, 2))
