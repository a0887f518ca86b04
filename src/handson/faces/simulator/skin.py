"""The reflectance of a face at a place on it: skin, eyes, brows, lips and beard."""

from __future__ import annotations

import numpy as np

from handson.faces.simulator.fields import band_of, hill, hill_value, inner, mix, noise, ramp, stroke_value


@inner
def face_tone(scene, x, y, turn):
    """Return reflectance and shininess of the face at (x, y), ``turn`` radians from the front; no hair."""
    away = abs(x)
    tone = scene.skin * (1.0 + 2.6 * scene.skin_grain * (noise(turn * 18.0 + scene.texture_seed, y * 0.25) - 0.5))
    shine = 0.05
    if y > 30.0:
        if scene.beard + scene.moustache + scene.stubble > 0.05:
            tone = _beard(scene, tone, x, y, away)
        if scene.lip_top - 3.0 < y < scene.lip_bottom + 3.0 and away < 1.1 * scene.corner_x:
            tone, shine = _mouth(scene, tone, shine, x, y)
    elif abs(y - scene.brow_inner_y + 2.0) < 15.0:
        tone = _brow(scene, tone, x, y, away)
    # Eyes before strokes: lashes lie over the ball.
    if -14.0 < y < 12.0 and abs(away - scene.eye_x) < scene.eye_half_width:
        tone = _eye(scene, tone, x, y, away)
    band = band_of(y)
    for place in range(1, 1 + scene.tone_hills_of_band[band, 0]):
        tone *= 1.0 - hill_value(scene.tone_hills, scene.tone_hills_of_band[band, place], away, y)
    for place in range(1, 1 + scene.tone_strokes_of_band[band, 0]):
        tone *= 1.0 - stroke_value(scene.tone_strokes, scene.tone_strokes_of_band[band, place], away, y)
    return tone, shine


@inner
def _beard(scene, tone, x, y, away):
    """Return the skin under beard, moustache and stubble."""
    edge = mix(scene.nose_tip_y + 34.0, scene.corner_y - 24.0, ramp(30.0, 62.0, away))
    jaw = ramp(edge - 6.0, edge + 8.0, y)
    if jaw > 0.0:
        jaw *= ramp(1.25, 0.7, 1.6 * hill(x / (1.9 * scene.corner_x), (y - scene.lip_bottom + 6.0) / 25.0) + 0.4)
    lip = ramp(0.05, 0.5, hill(away / (scene.corner_x + 9.0), (y - scene.lip_top + 3.0 - 0.006 * x * x) / 9.5))
    cover = max(scene.beard * jaw, scene.moustache * lip)
    if cover > 0.0:
        cover *= 0.55 + 0.9 * noise(x * 0.7, y * 0.3 + scene.texture_seed)
    cover = min(0.95, cover + 0.4 * scene.stubble * max(jaw, lip))
    return mix(tone, min(tone, scene.hair * 1.1 + 0.02), cover)


@inner
def _mouth(scene, tone, shine, x, y):
    """Return the skin with lips, and teeth and dark between them when the mouth is open."""
    square = (x / scene.corner_x) ** 2
    flat = max(0.0, 1.0 - square)
    bow = (scene.corner_y + scene.lopsided * x / scene.corner_x) * min(1.0, square)
    inner_top, inner_bottom = bow + flat * scene.lip_inner_top, bow + flat * scene.lip_inner_bottom
    # The upper edge dips in the middle: Cupid's bow.
    full = np.sqrt(flat)
    cupid = 1.0 - 0.2 * hill(x / 4.5, 0.0) + 0.1 * hill(x / 14.0, 0.0)
    top = inner_top - (scene.lip_inner_top - scene.lip_top) * full * cupid / 0.9
    bottom = inner_bottom + (scene.lip_bottom - scene.lip_inner_bottom) * full
    within = ramp(1.12, 0.94, square)
    red = ramp(-0.8, 1.0, y - top) * ramp(1.0, -1.0, y - bottom) * within
    tone = mix(tone, tone * scene.lip_shade * (0.78 if y < inner_top else 1.0), red)
    shine = mix(shine, 0.10, red * ramp(inner_bottom - 0.5, bottom + 0.5, y))
    gap = scene.lip_inner_bottom - scene.lip_inner_top
    if gap > 0.2:
        inside = ramp(-0.5, 0.6, y - inner_top) * ramp(0.5, -0.6, y - inner_bottom) * within
        teeth_end = inner_top + 6.5 * min(1.0, 0.3 + 0.8 * max(0.0, scene.smile) + 0.015 * gap)
        teeth = 0.38 * (1.0 - 0.6 * square) * (0.6 + 0.4 * ramp(0.0, 3.5, y - inner_top)) * ramp(1.0, 4.0, gap)
        tone = mix(tone, mix(teeth, 0.03, ramp(-0.8, 0.8, y - teeth_end)), inside)
        shine *= 1.0 - inside
    line = hill((y - inner_top) / 2.6, 0.0) * within * mix(0.72, 0.35, ramp(2.0, 5.0, gap))
    return tone * (1.0 - line), shine


@inner
def _eye(scene, tone, x, y, away):
    """Return the skin with the eyeball in the opening of the lids: white, iris, pupil, a spark of light."""
    side = away - scene.eye_x
    across = side / scene.eye_half_width
    square = across * across
    if square >= 1.0:
        return tone
    axis = -scene.eye_tilt * across
    upper = axis - scene.lid_upper * (1.0 - square)
    inside = ramp(-0.6, 0.4, y - upper) * ramp(0.4, -0.6, y - axis - scene.lid_lower * (1.0 - square))
    if inside <= 0.0:
        return tone
    sign = 1.0 if x > 0.0 else -1.0
    from_x, from_y = side - sign * scene.gaze_x, y - scene.gaze_y + 0.8
    distance = np.sqrt(from_x * from_x + from_y * from_y)
    ball = (0.26 + 0.42 * scene.skin) * (1.0 - 0.4 * square)
    iris = scene.iris * (0.5 + 0.5 * ramp(5.8, 4.4, distance))
    ball = mix(ball, mix(iris, 0.01, ramp(2.7, 1.9, distance)), ramp(6.3, 5.5, distance))
    # The lid throws a shadow.
    ball *= 0.6 + 0.4 * ramp(-0.5, 3.2, y - upper)
    spark = hill((from_x - 2.0 * sign * scene.light_x) / 1.5, (from_y - 2.0 * scene.light_y) / 1.5)
    return mix(tone, ball + 0.28 * spark, inside)


@inner
def _brow(scene, tone, x, y, away):
    """Return the skin under the brows, which thin out at both ends and are highest two thirds out."""
    along = (away - scene.brow_inner_x) / (scene.brow_outer_x - scene.brow_inner_x)
    if along < -0.12 or along > 1.08:
        return tone
    line = mix(scene.brow_inner_y, scene.brow_outer_y, along) + 1.5 * hill((along - 0.05) / 0.5, 0.0)
    line -= scene.brow_arch * hill((along - 0.62) / 0.75, 0.0) + 0.7 * scene.lopsided * (1.0 if x > 0.0 else -1.0)
    thick = scene.brow_thickness * (1.15 - 0.7 * max(0.0, along)) * ramp(-0.14, 0.1, along) + 0.2
    hairs = 0.65 + 0.5 * noise(away * 0.9 + y * 0.5 + scene.texture_seed, y * 0.25)
    cover = ramp(1.4, 0.4, abs(y - line) / thick) * hairs * ramp(1.08, 0.9, along) * scene.brow_strength
    return mix(tone, min(tone, 0.6 * min(scene.hair, 0.16) + 0.01), min(1.0, cover))
