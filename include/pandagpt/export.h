/* SPDX-FileCopyrightText: the libpandagpt authors
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef PANDAGPT_EXPORT_H
#define PANDAGPT_EXPORT_H

/** @file export.h
 *  Linkage of public symbols. Define PANDA_STATIC when linking the static
 *  library on Windows. */

#if defined(_WIN32) && !defined(PANDA_STATIC)
#  ifdef PANDA_BUILDING
#    define PANDA_API __declspec(dllexport)
#  else
#    define PANDA_API __declspec(dllimport)
#  endif
#elif defined(__GNUC__)
#  define PANDA_API __attribute__((visibility("default")))
#else
#  define PANDA_API
#endif

#ifdef __GNUC__
#  define PANDA_DEPRECATED __attribute__((deprecated))
#else
#  define PANDA_DEPRECATED
#endif

#ifdef __cplusplus
#  define PANDA_BEGIN_DECLS extern "C" {
#  define PANDA_END_DECLS }
#else
#  define PANDA_BEGIN_DECLS
#  define PANDA_END_DECLS
#endif

#endif
