// SPDX-License-Identifier: Apache-2.0
// Members of an MLS group, played by libs/mls or by ts-mls behind one interface.
import { OurMember } from './mls-ours';
import { TsMember } from './mls-ts';
import type { Member, World } from './mls-world';

let count = 0;

/** A new member; names are unique within the process. */
export function newMember(world: World, ours: boolean): Promise<Member> {
	const name = `${ours ? 'ours' : 'ts'}-${++count}`;
	return (ours ? new OurMember(name, world) : new TsMember(name, world)).start();
}
