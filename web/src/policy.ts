// SPDX-License-Identifier: Apache-2.0
// Password policy (R75, R78): the 100,000 commonest are refused, all others need 10^10 guesses.
import { zxcvbn, zxcvbnOptions } from '@zxcvbn-ts/core';
// The packages' index files would bring in three times as much.
import adjacencyGraphs from '@zxcvbn-ts/language-common/dist/adjacencyGraphs.json.esm.js';
import englishWords from '@zxcvbn-ts/language-en/dist/commonWords.json.esm.js';
import firstNames from '@zxcvbn-ts/language-en/dist/firstnames.json.esm.js';
import frenchWords from '@zxcvbn-ts/language-fr/dist/commonWords.json.esm.js';
import { checkPlain, MIN_GUESSES_LOG10, normalise, personalWords, type Person, type Rating } from './rules';

let common: Set<string> | null = null;

/** `list`: one password per line, the commonest first. Without it nothing is ever rated as good. */
export function loadCommon(list: string): void {
  const words = list.split('\n').filter((word) => word !== '');
  common = new Set(words);
  zxcvbnOptions.setOptions({
    graphs: adjacencyGraphs,
    dictionary: {
      common: words,
      english: englishWords,
      firstnames: firstNames,
      french: frenchWords,
    },
  });
}

export function rate(password: string, person: Person): Rating {
  if (common === null) throw new Error('the list of common passwords is not loaded');
  const text = normalise(password);
  const fault = checkPlain(text, person);
  if (fault !== null) return { fault, guessesLog10: 0 };
  if (common.has(text.toLowerCase())) return { fault: 'common', guessesLog10: 0 };
  const { guessesLog10 } = zxcvbn(text, personalWords(person));
  return { fault: guessesLog10 < MIN_GUESSES_LOG10 ? 'weak' : null, guessesLog10 };
}
