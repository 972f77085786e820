/* SPDX-FileCopyrightText: the libpandagpt authors
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef PND_AUDIO_RIFF_H
#define PND_AUDIO_RIFF_H

#include "modalities/shared/source.h"

/** Refuse a WAV file whose samples are cut off: its "data" chunk claims more
 *  bytes than there are. libsndfile would read what is left without a word.
 *  Lengths that streaming writers leave open (0, 0xffffffff) are accepted, and
 *  so is every other kind of file. */
panda_status pnd_riff_check_whole(const panda_frontend_host *host,
                                  const struct pnd_source *source);

#endif
