// SPDX-License-Identifier: Apache-2.0
// The password rules that need no dictionary (the same as in client/core); policy.ts adds the estimate.

export const MAX_PASSWORD_BYTES = 256;
export const MIN_GUESSES_LOG10 = 10;

export interface Person {
  email: string;
  firstName: string;
  lastName: string;
}

export type Fault = 'empty' | 'long' | 'personal' | 'common' | 'weak';

export interface Rating {
  /** null: the password may be used */
  fault: Fault | null;
  /** log10 of the guesses needed, 0 when another rule already refused it */
  guessesLog10: number;
}

/** The one form in which a password is measured and used. */
export function normalise(password: string): string {
  return password.normalize('NFC');
}

/** Parts of the person's name and address of three characters and more. */
export function personalWords(person: Person): string[] {
  const [local = '', domain = ''] = person.email.split('@');
  const names = `${person.firstName} ${person.lastName}`.split(/[\s'’-]+/);
  const words = [...names, local, ...local.split(/[._+-]+/), person.email, domain, domain.split('.')[0] ?? ''];
  const folded = words.map((word) => word.normalize('NFC').toLowerCase()).filter((word) => [...word].length >= 3);
  return [...new Set(folded)];
}

export function containsPersonal(password: string, person: Person): boolean {
  const folded = normalise(password).toLowerCase();
  return personalWords(person).some((word) => folded.includes(word));
}

/** Everything that needs neither list nor estimate. */
export function checkPlain(password: string, person: Person): Fault | null {
  const text = normalise(password);
  if (text === '') return 'empty';
  if (new TextEncoder().encode(text).length > MAX_PASSWORD_BYTES) return 'long';
  if (containsPersonal(text, person)) return 'personal';
  return null;
}
