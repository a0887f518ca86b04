/* The surface of a head: see geometry.py and meshes.py of handson/faces/simulator. */

#include "faces.h"

/* The relief fades out on the sides of the head, where z is no longer a function of x and y. */
#define RELIEF_START 0.05
#define RELIEF_FULL 0.45

/* x**1.4 for x from 0 to 1.1, by Newton's method for the fifth root of x**2. */
static double power_of_seven_fifths(double x)
{
    if (x <= 0)
        return 0;
    double square = x * x, root = 0.3 + 0.7 * x;
    for (int step = 0; step < 12; step++)
        root = 0.2 * (4 * root + square / (root * root * root * root));
    return x * root;
}

/* How many millimetres the face stands out of the smooth head at (x, y). */
static double relief_at(const scene *s, double x, double y)
{
    double away = size_of(x), height = 0;
    int64_t band = band_of(y);
    const int8_t *hills = s->relief.hills_of_band[band], *strokes = s->relief.strokes_of_band[band];
    for (int place = 1; place <= hills[0]; place++)
        height += hill_value(s->relief.hills[hills[place]], away, y);
    for (int place = 1; place <= strokes[0]; place++)
        height += stroke_value(s->relief.strokes[strokes[place]], away, y);
    double tip = s->nose_tip_y;
    if (-20 < y && y < tip + 13 && away < 40) {
        /* The ridge of the nose rises and widens to the tip and falls to the lip. */
        double part = (y + 8) / (tip + 8);
        double ridge = 0.9 * s->nose_height * power_of_seven_fifths(ramp(-0.55, 1.1, part)) * ramp(tip + 13, tip - 1, y);
        ridge += s->nose_hump * hill((part - 0.45) / 0.35, 0);
        height += ridge * hill(away / (13 + 1.2 * (s->nose_width - 5) * ramp(0.1, 1.15, part)), 0);
    }
    return height;
}

double inside_hair(const scene *s, double x, double y, double turn)
{
    double away = size_of(turn);
    double top = s->hairline * s->face_length - s->recession * hill((away - 0.55) / 0.45, 0);
    if (s->baldness > 0)
        top -= 110 * s->baldness * ramp(1.5, 1.0, away);
    /* Combed hair falls over the temples. */
    top += s->temples * ramp(0.1, 0.8, away);
    if (s->fringe > 0 && away < 1.15)
        top += s->fringe * (0.3 + 0.7 * ramp(-50, 50, x * s->parting)) * ramp(1.15, 0.6, away);
    if (away > 0.8) {
        top = mix(top, s->sideburn, ramp(0.80, 1.14, away));
        top = mix(top, 62, ramp(1.45, 1.75, away));
    }
    return top - y;
}

typedef struct {
    const scene *scene;
    const float *noise;
    const double *sections; /* rows of five: y, half width, z of the widest place, of the front and of the back */
    int64_t columns;
    const double *sine, *cosine, *turn; /* of the columns */
    double *points, *places;            /* rows of three */
} head_record;

/* Write the head: skull, face and the short hair that stands off the scalp, from a row to another. */
KERNEL(build_head, head_record)
{
    const scene *s = job->scene;
    for (int64_t row = first; row < last; row++) {
        const double *section = job->sections + 5 * row;
        double y = section[0], width = section[1], middle = section[2];
        double before = section[3] - middle, behind = middle - section[4], up = lesser(0, y + 25) / 85;
        for (int64_t column = 0; column < job->columns; column++) {
            double forward = job->cosine[column], sine = job->sine[column], turn = job->turn[column];
            double *point = job->points + 3 * (row * job->columns + column);
            double *place = job->places + 3 * (row * job->columns + column);
            double x = width * sine, z = middle + (forward > 0 ? before : behind) * forward;
            if (forward > RELIEF_START)
                z += relief_at(s, x, y) * ramp(RELIEF_START, RELIEF_FULL, forward);
            place[0] = x;
            place[1] = y;
            place[2] = turn;
            double depth = inside_hair(s, x, y, turn), lift = 0;
            if (depth > -3) {
                lift = s->hair_thickness * ramp(-3, 16, depth) * (0.45 + 0.55 * ramp(60, -60, y));
                lift *= 0.7 + 0.6 * noise(job->noise, turn * mix(4, 12, s->curl) + s->texture_seed,
                                          y * mix(0.05, 0.15, s->curl));
            }
            point[0] = x + lift * sine * (1 + 0.6 * up);
            point[1] = y + 1.2 * lift * up;
            point[2] = z + 0.7 * lift * forward;
        }
    }
    return 0;
}

typedef struct {
    const scene *scene;
    double *points;
    const double *forward; /* 1 in front and 0 at the sides */
} raised_record;

/* Add the relief to z of points of the smooth head. */
KERNEL(raise_points, raised_record)
{
    for (int64_t i = first; i < last; i++) {
        double *point = job->points + 3 * i;
        point[2] += ramp(RELIEF_START, RELIEF_FULL, job->forward[i]) * relief_at(job->scene, point[0], point[1]);
    }
    return 0;
}

EXPORT const int64_t scene_bytes = sizeof(scene);
