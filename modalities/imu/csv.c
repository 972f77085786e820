/* SPDX-FileCopyrightText: the libpandagpt authors
 * SPDX-License-Identifier: Apache-2.0 */
#include "modalities/imu/csv.h"

#include <inttypes.h>
#include <string.h>

#include "modalities/imu/parse_float.h"
#include "modalities/shared/source.h"

#define NOWHERE UINT32_MAX
#define LINES_BETWEEN_CANCEL 4096

const char pnd_imu_names[PND_IMU_CHANNELS][3] = {"ax", "ay", "az",
                                                 "gx", "gy", "gz"};

struct text {
    const char *at, *end;
};

static struct text trim(struct text t, const char *what)
{
    while (t.at < t.end && strchr(what, *t.at) && *t.at)
        t.at++;
    while (t.at < t.end && strchr(what, t.end[-1]) && t.end[-1])
        t.end--;
    return t;
}

/* Cut the next line off `rest`; false at the end. */
static bool next_line(struct text *rest, struct text *line)
{
    if (rest->at == rest->end)
        return false;
    const char *stop = memchr(rest->at, '\n', (size_t)(rest->end - rest->at));
    line->at = rest->at;
    line->end = stop ? stop : rest->end;
    rest->at = stop ? stop + 1 : rest->end;
    if (line->end > line->at && line->end[-1] == '\r')
        line->end--;
    return true;
}

/* Cut the next field off `line`; `line->at` is NULL after the last. */
static bool next_field(struct text *line, char separator, struct text *field)
{
    if (!line->at)
        return false;
    const char *stop = memchr(line->at, separator,
                              (size_t)(line->end - line->at));
    struct text whole = {line->at, stop ? stop : line->end};
    *field = trim(whole, separator == '\t' ? " " : " \t");
    line->at = stop ? stop + 1 : NULL;
    return true;
}

static bool is_empty(struct text line)
{
    line = trim(line, " \t");
    return line.at == line.end;
}

static char find_separator(struct text line)
{
    for (const char *s = ",;\t"; *s; s++)
        if (memchr(line.at, *s, (size_t)(line.end - line.at)))
            return *s;
    return ',';
}

static bool is_numeric(struct text line, char separator)
{
    struct text field;
    float value;
    while (next_field(&line, separator, &field))
        if (!pnd_parse_float(field.at, (size_t)(field.end - field.at), &value))
            return false;
    return true;
}

static int find_name(struct text field)
{
    field = trim(field, "\"' ");
    if (field.end - field.at != 2)
        return -1;
    for (int i = 0; i < PND_IMU_CHANNELS; i++)
        if ((field.at[0] | 0x20) == pnd_imu_names[i][0] &&
            (field.at[1] | 0x20) == pnd_imu_names[i][1])
            return i;
    return -1;
}

static panda_status fail_content(const struct pnd_csv *csv, const uint8_t *data,
                                 size_t size)
{
    char content[PND_CONTENT_SIZE];
    pnd_source_describe(content, data, size);
    return pnd_host_fail(csv->host, PANDA_E_FORMAT,
                         "holds %s without columns ax, ay, az, gx, gy, gz, "
                         "expected a CSV table or a NumPy array",
                         content);
}

static panda_status find_columns(struct pnd_csv *csv, struct text line,
                                 uint32_t *found)
{
    struct text field;
    for (int i = 0; i < PND_IMU_CHANNELS; i++)
        csv->places[i] = NOWHERE;
    *found = 0;
    while (next_field(&line, csv->separator, &field)) {
        int name = find_name(field);
        if (name >= 0 && csv->places[name] != NOWHERE)
            return pnd_host_fail(csv->host, PANDA_E_FORMAT,
                                 "column %s appears twice, expected once",
                                 pnd_imu_names[name]);
        if (name >= 0) {
            csv->places[name] = csv->columns;
            ++*found;
        }
        csv->columns++;
    }
    return PANDA_OK;
}

static panda_status check_columns(const struct pnd_csv *csv)
{
    for (int i = 0; i < PND_IMU_CHANNELS; i++)
        if (csv->places[i] == NOWHERE)
            return pnd_host_fail(csv->host, PANDA_E_FORMAT,
                                 "column %s is missing, expected ax, ay, az, "
                                 "gx, gy, gz in the first line",
                                 pnd_imu_names[i]);
    return PANDA_OK;
}

/* Six columns without names are taken in their order. */
static panda_status number_columns(struct pnd_csv *csv, struct text line)
{
    struct text field;
    while (next_field(&line, csv->separator, &field))
        csv->columns++;
    if (csv->columns != PND_IMU_CHANNELS)
        return pnd_host_fail(csv->host, PANDA_E_FORMAT,
                             "%u columns without names found, expected 6",
                             csv->columns);
    for (uint32_t i = 0; i < PND_IMU_CHANNELS; i++)
        csv->places[i] = i;
    return PANDA_OK;
}

panda_status pnd_csv_open(struct pnd_csv *csv, const panda_frontend_host *host,
                          const uint8_t *data, size_t size)
{
    *csv = (struct pnd_csv){.host = host, .first_line = 1};
    struct text rest = {(const char *)data, (const char *)data + size};
    struct text line = rest;
    if (size >= 3 && memcmp(data, "\xef\xbb\xbf", 3) == 0)
        rest.at += 3; /* byte order mark */
    csv->rows = rest.at;
    csv->end = rest.end;
    panda_status status = PANDA_OK;
    if (!next_line(&rest, &line))
        return fail_content(csv, data, size);
    csv->separator = find_separator(line);
    if (is_numeric(line, csv->separator)) {
        status = number_columns(csv, line);
    } else {
        uint32_t found;
        status = find_columns(csv, line, &found);
        if (status == PANDA_OK && found == 0)
            status = fail_content(csv, data, size);
        else if (status == PANDA_OK)
            status = check_columns(csv);
        csv->named = true;
        csv->rows = rest.at;
        csv->first_line = 2;
    }
    if (status < 0)
        return status;
    rest.at = csv->rows;
    while (next_line(&rest, &line))
        csv->samples += !is_empty(line);
    return PANDA_OK;
}

static panda_status fail_field(const struct pnd_csv *csv, uint64_t line,
                               uint32_t channel, struct text field)
{
    char shown[33]; /* bytes that may be anything must not reach a message */
    size_t length = 0;
    for (; field.at < field.end && length < sizeof shown - 1; field.at++)
        shown[length++] =
            (char)(*field.at >= 32 && *field.at < 127 ? *field.at : '?');
    shown[length] = '\0';
    return pnd_host_fail(csv->host, PANDA_E_FORMAT,
                         "line %" PRIu64 ", column %s: \"%s\" found, expected "
                         "a number",
                         line, pnd_imu_names[channel], shown);
}

/* One line as a sample: (PND_IMU_CHANNELS). */
static panda_status read_line(const struct pnd_csv *csv, struct text line,
                              uint64_t number, float *out)
{
    struct text field;
    uint32_t column = 0;
    for (; next_field(&line, csv->separator, &field); column++) {
        for (uint32_t i = 0; i < PND_IMU_CHANNELS; i++) {
            if (csv->places[i] != column ||
                pnd_parse_float(field.at, (size_t)(field.end - field.at),
                                &out[i]))
                continue;
            return fail_field(csv, number, i, field);
        }
    }
    if (column == csv->columns)
        return PANDA_OK;
    return pnd_host_fail(csv->host, PANDA_E_FORMAT,
                         "line %" PRIu64 " has %u columns, expected %u as in "
                         "the first line",
                         number, column, csv->columns);
}

panda_status pnd_csv_read(const struct pnd_csv *csv, float *out)
{
    struct text rest = {csv->rows, csv->end}, line;
    panda_status status = PANDA_OK;
    uint64_t number = csv->first_line;
    for (; status == PANDA_OK && next_line(&rest, &line); number++) {
        if (number % LINES_BETWEEN_CANCEL == 0)
            status = pnd_host_check_cancel(csv->host);
        if (status < 0 || is_empty(line))
            continue;
        status = read_line(csv, line, number, out);
        out += PND_IMU_CHANNELS;
    }
    return status;
}
