/* From points of the head to pixels: depth buffer, light and shadows, and what a camera does to rows. See rasterise.py
   and camera.py of handson/faces/simulator. */

#include "faces.h"

#define SHADOW_SIZE 64

typedef struct {
    const double *points, *matrix, *offset;
    double *transformed; /* may be `points` */
} transform_record;

/* matrix @ point + offset for each point. */
KERNEL(transform_points, transform_record)
{
    const double *m = job->matrix, *offset = job->offset;
    for (int64_t i = first; i < last; i++) {
        double x = job->points[3 * i], y = job->points[3 * i + 1], z = job->points[3 * i + 2];
        for (int k = 0; k < 3; k++)
            job->transformed[3 * i + k] = m[3 * k] * x + m[3 * k + 1] * y + m[3 * k + 2] * z + offset[k];
    }
    return 0;
}

typedef struct {
    const double *screen; /* x, y in pixels and z towards the viewer */
    const int32_t *triangles;
    const int8_t *parts;
    int64_t height, width;
    double *depth;
    int32_t *owner;
    double *weights;
} triangles_record;

static void draw(const triangles_record *job, int32_t index)
{
    const double *a = job->screen + 3 * job->triangles[3 * index], *b = job->screen + 3 * job->triangles[3 * index + 1];
    const double *c = job->screen + 3 * job->triangles[3 * index + 2];
    double bx = b[0] - a[0], by = b[1] - a[1], cx = c[0] - a[0], cy = c[1] - a[1], area = bx * cy - by * cx;
    if (area == 0 || (area < 0 && job->parts[index] < TORSO))
        return;
    double bz = b[2] - a[2], cz = c[2] - a[2];
    double left = ceil_of(a[0] + lesser(0, lesser(bx, cx))), right = floor_of(a[0] + larger(0, larger(bx, cx)));
    double top = ceil_of(a[1] + lesser(0, lesser(by, cy))), low = floor_of(a[1] + larger(0, larger(by, cy)));
    double whole = 1 / area;
    bx *= whole, by *= whole, cx *= whole, cy *= whole;
    for (int64_t row = most(0, (int64_t)top); row <= least(job->height - 1, (int64_t)low); row++) {
        double y = (double)row - a[1];
        for (int64_t column = most(0, (int64_t)left); column <= least(job->width - 1, (int64_t)right); column++) {
            double x = (double)column - a[0], second = x * cy - y * cx, third = y * bx - x * by;
            if (second < 0 || third < 0 || second + third > 1)
                continue;
            int64_t pixel = row * job->width + column;
            double z = a[2] + second * bz + third * cz;
            if (z > job->depth[pixel]) {
                job->depth[pixel] = z;
                job->owner[pixel] = index;
                job->weights[2 * pixel] = second;
                job->weights[2 * pixel + 1] = third;
            }
        }
    }
}

/* Draw triangles into the depth buffer; keep which one is seen and the weights of two of its corners.

   Only front faces are drawn, but for hair and cloth, which are sheets. */
KERNEL(draw_triangles, triangles_record)
{
    for (int64_t index = first; index < last; index++)
        draw(job, (int32_t)index);
    return 0;
}

typedef struct {
    const scene *scene;
    const int64_t *grids; /* part, rows and columns of each */
    const double *points, *shadow_screen, *shadow;
    double *shade, *gloss; /* the light that each point receives, and mirrors to the viewer */
} light_record;

/* A grid of points, of which the first is number `start`. */
typedef struct {
    int64_t part, rows, columns, start;
} grid;

/* The unit normal between four neighbours of a point. */
static void normal(
    const double *points, int64_t left, int64_t right, int64_t above, int64_t below, double *x, double *y, double *z)
{
    double a[3], b[3];
    for (int k = 0; k < 3; k++) {
        a[k] = points[3 * right + k] - points[3 * left + k];
        b[k] = points[3 * below + k] - points[3 * above + k];
    }
    *x = a[1] * b[2] - a[2] * b[1];
    *y = a[2] * b[0] - a[0] * b[2];
    *z = a[0] * b[1] - a[1] * b[0];
    double scale = 1 / __builtin_sqrt(*x * *x + *y * *y + *z * *z + 1e-9);
    *x *= scale, *y *= scale, *z *= scale;
}

/* How open the sky is over a point: about 1, less in hollows such as the sockets of the eyes. */
static double open_sky(const double *points, const grid *g, int64_t index, int64_t row, int64_t column, double z)
{
    double sunk = 0;
    for (int64_t reach = 2; reach < 6; reach += 3) {
        int64_t above = index - least(row, reach) * g->columns;
        int64_t below = index + least(g->rows - 1 - row, reach) * g->columns;
        int64_t left = index - least(column, reach), right = index + least(g->columns - 1 - column, reach);
        double mean = 0.25 * (points[3 * above + 2] + points[3 * below + 2] + points[3 * left + 2] +
                              points[3 * right + 2]);
        sunk += larger(-3, mean - points[3 * index + 2]) / (double)reach;
    }
    return 1 / (1 + 0.17 * larger(-0.5, sunk * larger(0, z)));
}

/* The share of a neighbourhood in the shadow map that does not hide the point from the light. */
static double unshadowed(const double *seen, const double *shadow)
{
    int64_t column = (int64_t)seen[0], row = (int64_t)seen[1];
    if (column < 1 || row < 1 || column > SHADOW_SIZE - 3 || row > SHADOW_SIZE - 3)
        return 1;
    double lit = 0;
    for (int64_t at_y = row - 1; at_y < row + 3; at_y++)
        for (int64_t at_x = column - 1; at_x < column + 3; at_x++) {
            /* Tent weights, 16 in all; some tolerance, or slanted surfaces would shade themselves. */
            double weight = (2 - size_of((double)at_y - seen[1])) * (2 - size_of((double)at_x - seen[0]));
            double nearer = seen[2] - shadow[at_y * SHADOW_SIZE + at_x];
            lit += weight * lesser(1, larger(0, 1.9 + nearer * 0.15));
        }
    return lit / 16;
}

static double to_the_sixteenth(double x)
{
    for (int k = 0; k < 4; k++)
        x *= x;
    return x;
}

static void light_point(const light_record *job, const grid *g, int64_t row, int64_t column, double half)
{
    const scene *s = job->scene;
    int64_t above = most(0, row - 1), below = least(g->rows - 1, row + 1);
    int64_t left = most(0, column - 1), right = least(g->columns - 1, column + 1);
    int64_t line = g->start + row * g->columns, index = line + column;
    double x, y, z;
    normal(
        job->points, line + left, line + right, g->start + above * g->columns + column,
        g->start + below * g->columns + column, &x, &y, &z);
    /* Sheets have two sides: the one that is seen is lit. */
    if (g->part >= TORSO && z < 0)
        x = -x, y = -y, z = -z;
    double around = g->part == HEAD && z > -0.2 ? open_sky(job->points, g, index, row, column, z) : 1;
    /* Light enters skin and comes out beside the point: the terminator is softer than Lambert's. */
    double direct = larger(0, (x * s->light_x + y * s->light_y + z * s->light_z + 0.15) / 1.15);
    if (direct > 0 && z > -0.2)
        direct *= unshadowed(job->shadow_screen + 3 * index, job->shadow);
    /* What faces down is lit by the chest and the lip below. */
    double fill = s->fill * larger(0, 0.3 * z - 0.7 * x * s->light_x) + 0.18 * s->key * larger(0, y);
    fill += s->ambient * (0.65 - 0.16 * y + 0.2 * z);
    job->shade[index] = s->key * direct * (0.45 + 0.55 * around) + fill * around;
    double facing = x * s->light_x + y * s->light_y + z * (s->light_z + 1);
    job->gloss[index] = s->key * lesser(1, 2 * direct) * to_the_sixteenth(larger(0, facing * half)) * around;
}

/* The light of the points of all grids up to the last. */
KERNEL(light_points, light_record)
{
    double half = 1 / __builtin_sqrt(2 + 2 * job->scene->light_z);
    int64_t start = 0;
    for (int64_t i = 0; i < last; i++) {
        const int64_t *numbers = job->grids + 3 * i;
        grid g = {numbers[0], numbers[1], numbers[2], start};
        for (int64_t row = 0; row < (i < first ? 0 : g.rows); row++)
            for (int64_t column = 0; column < g.columns; column++)
                light_point(job, &g, row, column, half);
        start += g.rows * g.columns;
    }
    return 0;
}

typedef struct {
    const double *source, *kernels;
    const int64_t *starts;
    int64_t rows, columns, width; /* of the source; and of a kernel */
    double *target;
} filter_record;

/* Rows of the target: weighted sums of those of the source, of which row starts[r] comes first. Outside, its border is
   repeated. */
KERNEL(filter_rows, filter_record)
{
    for (int64_t place = first; place < last; place++) {
        double *restrict target = job->target + place * job->columns;
        memset(target, 0, (size_t)job->columns * sizeof *target);
        for (int64_t offset = 0; offset < job->width; offset++) {
            int64_t row = least(job->rows - 1, most(0, job->starts[place] + offset));
            double weight = job->kernels[place * job->width + offset];
            const double *restrict source = job->source + row * job->columns;
            for (int64_t column = 0; column < job->columns; column++)
                target[column] += weight * source[column];
        }
    }
    return 0;
}
