/* From seen triangles to brightness: hair, cloth and background, and the sum of light for each pixel. See picture.py of
   handson/faces/simulator. */

#include "faces.h"

typedef struct {
    const scene *scene;
    const float *noise;
    const int32_t *triangles; /* rows of three points */
    const int8_t *parts;      /* of the triangles */
    int64_t height, width;
    const int32_t *owner;   /* the triangle that each pixel shows, -1 for none */
    const double *weights;  /* of two of its corners */
    const double *places, *shade, *gloss; /* of points: rows of three, and numbers */
    double *picture;
} picture_record;

static double hair(const scene *s, const float *table, double y, double turn)
{
    double seed = s->texture_seed;
    if (s->curl > 0.5)
        return s->hair * (0.3 + 0.9 * noise(table, turn * 18 + seed, y * 0.22) +
                          0.4 * noise(table, turn * 37, y * 0.4 + seed));
    double bent = turn + 0.12 * s->hair_wave * (noise(table, 0.5, y * 0.05 + seed) - 0.5);
    return s->hair * (0.2 + 0.9 * noise(table, bent * 26 + seed, y * 0.05) +
                      0.7 * noise(table, bent * 9 + seed, y * 0.03));
}

static double head(const scene *s, const float *table, double x, double y, double turn, double *shine)
{
    double depth = inside_hair(s, x, y, turn), ragged = s->fringe > 0 ? 1.0 : 0.5;
    if (-18 < depth && depth < 17) {
        /* Tufts and single hairs fray the hairline. */
        depth += 14 * ragged * (noise(table, turn * 7 + s->texture_seed, y * 0.03) - 0.5);
        depth += 14 * ragged * (noise(table, turn * 43 + s->texture_seed, y * 0.05) - 0.5);
    }
    double cover = ramp(-5, 4, depth), tone = s->skin;
    *shine = 0.07;
    if (cover < 1 && size_of(turn) < 1.5)
        tone = face_tone(s, table, x, y, turn, shine);
    if (cover > 0) {
        tone = mix(tone, hair(s, table, y, turn), cover);
        *shine = mix(*shine, 0.1, cover);
    }
    return tone;
}

static double cloth(const scene *s, const float *table, double x, double y)
{
    double tone = s->cloth * (1 + 0.3 * (noise(table, x * 0.08 + s->texture_seed, y * 0.08) - 0.5));
    if (s->collar < 0.5)
        return tone;
    /* A shirt and a tie in the opening of a jacket. */
    double away = size_of(x);
    tone = mix(tone, s->shirt, ramp(3, -3, away - 62 + 0.7 * (y - 82)));
    double tie = ramp(1.5, -1.5, away - 9 - 0.05 * (y - 100)) * ramp(98, 102, y);
    return mix(tone, 0.5 * s->cloth + 0.02, tie);
}

/* The brightness behind the person at a place between 0 and 1: gradient, clouds and edges. */
static double background(const scene *s, const float *table, double across, double down)
{
    double seed = s->ground_seed, detail = s->ground_detail;
    double clouds = noise(table, across * 3 + seed, down * 3) - 0.5;
    double along = (across - 0.5) * s->ground_x + (down - 0.5) * s->ground_y;
    double level = s->ground * (1 + s->ground_contrast * (0.8 * along + 1.2 * clouds));
    if (detail > 0.35) {
        int64_t column = (int64_t)(across * 4 + 0.8 * clouds * (detail - 0.35) + seed) & (NOISE_SIZE - 1);
        int64_t row = (int64_t)(down * 5 + seed) & (NOISE_SIZE - 1);
        double panel = (double)table[7 * NOISE_SIZE + column], shelf = (double)table[row * NOISE_SIZE + 3];
        level *= 1 + 1.5 * (detail - 0.35) * (panel + 0.7 * shelf - 0.85);
    }
    if (detail > 0.8)
        level *= 0.6 + 0.8 * noise(table, across * 17 + seed, down * 17);
    return larger(0.003, level);
}

/* The brightness of a pixel that shows a triangle. */
static double shaded(const picture_record *job, int64_t pixel)
{
    const scene *s = job->scene;
    const int32_t *corners = job->triangles + 3 * job->owner[pixel];
    double second = job->weights[2 * pixel], third = job->weights[2 * pixel + 1];
    double weights[3] = {1 - second - third, second, third}, x = 0, y = 0, turn = 0, light = 0, mirror = 0;
    for (int k = 0; k < 3; k++) {
        const double *place = job->places + 3 * corners[k];
        x += weights[k] * place[0];
        y += weights[k] * place[1];
        turn += weights[k] * place[2];
        light += weights[k] * job->shade[corners[k]];
        mirror += weights[k] * job->gloss[corners[k]];
    }
    double tone, shine = 0;
    switch (job->parts[job->owner[pixel]]) {
    case HEAD:
        tone = head(s, job->noise, x, y, turn, &shine);
        break;
    case CURTAIN:
        tone = hair(s, job->noise, y, turn);
        shine = 0.1;
        break;
    case EAR:
        tone = s->skin * (0.92 - 0.4 * ramp(0.55, 0.2, x));
        shine = 0.06;
        break;
    case NECK:
        tone = s->skin * (0.9 - 0.2 * ramp(150, 100, y));
        shine = 0.03;
        break;
    default:
        tone = cloth(s, job->noise, x, y);
    }
    return tone * light + shine * mirror;
}

/* Write the brightness of every pixel, from a row to another. */
KERNEL(shade_pixels, picture_record)
{
    for (int64_t row = first; row < last; row++)
        for (int64_t column = 0; column < job->width; column++) {
            int64_t pixel = row * job->width + column;
            job->picture[pixel] = job->owner[pixel] >= 0
                                      ? shaded(job, pixel)
                                      : background(job->scene, job->noise, (double)column / (double)job->width,
                                                   (double)row / (double)job->height);
        }
    return 0;
}
