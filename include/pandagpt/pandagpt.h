/* SPDX-FileCopyrightText: the libpandagpt authors
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef PANDAGPT_H
#define PANDAGPT_H

/** @file pandagpt.h
 *  All stable headers. They are the authority: the manual is written from
 *  them, and what is not in them is not API. Read chat.h for the simple API,
 *  runtime.h for the rules that hold everywhere. */

#include <pandagpt/chat.h>
#include <pandagpt/convert.h>
#include <pandagpt/decoder.h>
#include <pandagpt/embedding.h>
#include <pandagpt/encoder.h>
#include <pandagpt/input.h>
#include <pandagpt/model.h>
#include <pandagpt/projector.h>
#include <pandagpt/runtime.h>
#include <pandagpt/status.h>
#include <pandagpt/version.h>

#endif
