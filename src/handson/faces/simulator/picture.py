"""From seen triangles to brightness: hair, cloth and background, and the sum of light for each pixel."""

from __future__ import annotations

from handson.faces.simulator.fields import NOISE_SIZE, NOISE_TABLE, inner, kernel, mix, noise, ramp
from handson.faces.simulator.meshes import CURTAIN, EAR, HEAD, NECK, inside_hair
from handson.faces.simulator.skin import face_tone


@kernel
def shade_pixels(scenes, triangles, parts, owner, weights, places, shade, gloss, picture):
    """Write the brightness of every pixel."""
    scene = scenes[0]
    height, width = owner.shape
    for row in range(height):
        for column in range(width):
            index = owner[row, column]
            if index < 0:
                picture[row, column] = _background(scene, column / width, row / height)
                continue
            one, two, three = triangles[index, 0], triangles[index, 1], triangles[index, 2]
            second, third = weights[row, column, 0], weights[row, column, 1]
            first = 1.0 - second - third
            x = first * places[one, 0] + second * places[two, 0] + third * places[three, 0]
            y = first * places[one, 1] + second * places[two, 1] + third * places[three, 1]
            turn = first * places[one, 2] + second * places[two, 2] + third * places[three, 2]
            light = first * shade[one] + second * shade[two] + third * shade[three]
            mirror = first * gloss[one] + second * gloss[two] + third * gloss[three]
            part = parts[index]
            if part == HEAD:
                tone, shine = _head(scene, x, y, turn)
            elif part == CURTAIN:
                tone, shine = _hair(scene, y, turn), 0.1
            elif part == EAR:
                tone, shine = scene.skin * (0.92 - 0.4 * ramp(0.55, 0.2, x)), 0.06
            elif part == NECK:
                tone, shine = scene.skin * (0.9 - 0.2 * ramp(150.0, 100.0, y)), 0.03
            else:
                tone, shine = _cloth(scene, x, y), 0.0
            picture[row, column] = tone * light + shine * mirror


@inner
def _head(scene, x, y, turn):
    depth = inside_hair(scene, x, y, turn)
    ragged = 1.0 if scene.fringe > 0.0 else 0.5
    if -18.0 < depth < 17.0:
        # Tufts and single hairs fray the hairline.
        depth += 14.0 * ragged * (noise(turn * 7.0 + scene.texture_seed, y * 0.03) - 0.5)
        depth += 14.0 * ragged * (noise(turn * 43.0 + scene.texture_seed, y * 0.05) - 0.5)
    cover = ramp(-5.0, 4.0, depth)
    tone, shine = scene.skin, 0.07
    if cover < 1.0 and abs(turn) < 1.5:
        tone, shine = face_tone(scene, x, y, turn)
    if cover > 0.0:
        tone, shine = mix(tone, _hair(scene, y, turn), cover), mix(shine, 0.1, cover)
    return tone, shine


@inner
def _hair(scene, y, turn):
    seed = scene.texture_seed
    if scene.curl > 0.5:
        return scene.hair * (0.3 + 0.9 * noise(turn * 18.0 + seed, y * 0.22) + 0.4 * noise(turn * 37.0, y * 0.4 + seed))
    bent = turn + 0.12 * scene.hair_wave * (noise(0.5, y * 0.05 + seed) - 0.5)
    return scene.hair * (0.2 + 0.9 * noise(bent * 26.0 + seed, y * 0.05) + 0.7 * noise(bent * 9.0 + seed, y * 0.03))


@inner
def _cloth(scene, x, y):
    tone = scene.cloth * (1.0 + 0.3 * (noise(x * 0.08 + scene.texture_seed, y * 0.08) - 0.5))
    if scene.collar < 0.5:
        return tone
    # A shirt and a tie in the opening of a jacket.
    away = abs(x)
    tone = mix(tone, scene.shirt, ramp(3.0, -3.0, away - 62.0 + 0.7 * (y - 82.0)))
    return mix(
        tone,
        0.5 * scene.cloth + 0.02,
        ramp(1.5, -1.5, away - 9.0 - 0.05 * (y - 100.0)) * ramp(98.0, 102.0, y),
    )


@inner
def _background(scene, across, down):
    """Return the brightness behind the person at a place between 0 and 1: gradient, clouds and edges."""
    seed, contrast, detail = scene.ground_seed, scene.ground_contrast, scene.ground_detail
    clouds = noise(across * 3.0 + seed, down * 3.0) - 0.5
    along = (across - 0.5) * scene.ground_x + (down - 0.5) * scene.ground_y
    level = scene.ground * (1.0 + contrast * (0.8 * along + 1.2 * clouds))
    if detail > 0.35:
        panel = NOISE_TABLE[7, int(across * 4.0 + 0.8 * clouds * (detail - 0.35) + seed) & (NOISE_SIZE - 1)]
        shelf = NOISE_TABLE[int(down * 5.0 + seed) & (NOISE_SIZE - 1), 3]
        level *= 1.0 + 1.5 * (detail - 0.35) * (panel + 0.7 * shelf - 0.85)
    if detail > 0.8:
        level *= 0.6 + 0.8 * noise(across * 17.0 + seed, down * 17.0)
    return max(0.003, level)
