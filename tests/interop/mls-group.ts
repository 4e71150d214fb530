// SPDX-License-Identifier: Apache-2.0
// A group of members of both implementations, and the delivery service between them.
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { newMember } from './mls-members';
import type { CommitOptions, Member, ProposalRequest, World } from './mls-world';

/**
 * ts-mls 1.6.4 wants the lists of unmerged leaves to be equal along a whole direct path when it joins, where RFC 9420
 * section 7.9 wants a leaf that one ancestor lists to be listed below it too: it refuses sound trees. Tells whether it has.
 */
async function refusesSoundTree(member: Member, join: () => Promise<void>): Promise<boolean> {
	try {
		await join();
		return false;
	} catch (err) {
		if (!member.ours && (err as Error).message === 'non-blank intermediate node must list leaf node in its unmerged_leaves') return true;
		throw err;
	}
}

/**
 * ts-mls 1.6.4 does not notice its removal when an Add of the same commit takes its leaf: it looks for its keys in the
 * path instead, where it has none, and says so. Tells whether it was removed, one way or the other.
 */
async function noticesRemoval(member: Member, commit: Uint8Array): Promise<boolean> {
	try {
		return (await member.process(commit)).kind === 'removed';
	} catch (err) {
		if ((err as Error).message.endsWith('No overlap between provided private keys and update path')) return true;
		throw err;
	}
}

/**
 * ts-mls 1.6.4 derives one secret too many when the whole other half of the tree is blank, so that the root is not on the
 * filtered direct path of a committer (RFC 9420 section 7.4). Tells whether a group of these leaves would be so.
 */
function rootIsFiltered(leaves: number[]): boolean {
	let half = 1;
	while (half * 2 <= Math.max(...leaves)) half *= 2;
	return leaves.every((leaf) => leaf >= half);
}

export class Group {
	members: Member[] = [];

	constructor(readonly world: World) {}

	static async create(world: World, ours: boolean): Promise<Group> {
		const group = new Group(world);
		const first = await newMember(world, ours);
		await first.create(new Uint8Array(randomBytes(16)));
		group.members.push(first);
		return group;
	}

	async indexOf(member: Member): Promise<number> {
		return (await member.view()).ownIndex;
	}

	/** Hands a message to everybody but its sender. */
	async deliver(sender: Member | undefined, message: Uint8Array, kind: string): Promise<void> {
		for (const m of this.members) {
			if (m === sender) continue;
			assert.equal((await m.process(message)).kind, kind, `${m.name} takes the ${kind} of ${sender?.name ?? 'a newcomer'}`);
		}
	}

	/**
	 * `committer` commits; the others follow; those in `newcomers` join by Welcome; those in `removed` learn of it and are
	 * dropped. `already` names members that proposals by reference add or remove.
	 */
	async commit(committer: Member, options: CommitOptions & { add?: Member[]; remove?: Member[]; already?: { added?: Member[]; removed?: Member[] } } = {}): Promise<void> {
		const removed = [...(options.remove ?? []), ...(options.already?.removed ?? [])];
		const add = [...(options.add ?? [])];
		const newcomers = [...add, ...(options.already?.added ?? [])];
		const staying = await Promise.all(this.members.filter((m) => !removed.includes(m)).map((m) => this.indexOf(m)));
		if (!newcomers.length && staying.length > 1 && rootIsFiltered(staying)) {
			add.push(await newMember(this.world, true));
			newcomers.push(...add);
		}
		const adds = await Promise.all(add.map((m) => m.keyPackage()));
		const removes = await Promise.all((options.remove ?? []).map((m) => this.indexOf(m)));
		const { commit, welcome, tree } = await committer.commit({ ...options, adds, removes });
		for (const m of this.members) {
			if (m === committer) continue;
			const want = removed.includes(m) ? 'removed' : 'commit';
			if (want === 'removed' && !m.ours && newcomers.length) {
				assert.ok(await noticesRemoval(m, commit), `${m.name} is removed by the commit of ${committer.name}`);
				continue;
			}
			assert.equal((await m.process(commit)).kind, want, `${m.name} follows the commit of ${committer.name}`);
		}
		await committer.merge();
		this.members = this.members.filter((m) => !removed.includes(m));
		const ghosts: Member[] = [];
		for (const m of newcomers) {
			assert.ok(welcome, 'a commit that adds gives a Welcome');
			if (await refusesSoundTree(m, () => m.join(welcome, tree))) ghosts.push(m);
			else this.members.push(m);
		}
		if (ghosts.length) await this.removeGhosts(ghosts);
	}

	/** Who could not join stands in the tree all the same: somebody removes it. */
	private async removeGhosts(ghosts: Member[]): Promise<void> {
		const committer = this.members.find((m) => m.ours) ?? this.members[0]!;
		const isGhost = (l: { signatureKey: string }) => ghosts.some((g) => g.signatureKey === l.signatureKey);
		const leaves = (await committer.view()).members;
		const staying = leaves.filter((l) => !isGhost(l)).map((l) => l.index);
		const add = staying.length > 1 && rootIsFiltered(staying) ? [await newMember(this.world, true)] : [];
		const adds = await Promise.all(add.map((m) => m.keyPackage()));
		const { commit, welcome } = await committer.commit({ adds, removes: leaves.filter(isGhost).map((l) => l.index) });
		await this.deliver(committer, commit, 'commit');
		await committer.merge();
		for (const m of add) {
			await m.join(welcome!);
			this.members.push(m);
		}
	}

	async propose(proposer: Member, request: ProposalRequest): Promise<void> {
		await this.deliver(proposer, await proposer.propose(request), 'proposal');
	}

	/** A newcomer (or, with resync, a member) enters by external commit, with a GroupInfo of `helper`. */
	async joinExternal(member: Member, helper: Member, options: { resync?: boolean; treeOutside?: boolean } = {}): Promise<void> {
		const { groupInfo, tree } = await helper.groupInfo(!options.treeOutside);
		let commit: Uint8Array | undefined;
		const refused = await refusesSoundTree(member, async () => {
			commit = await member.joinExternal(groupInfo, options.treeOutside ? tree : undefined, options.resync);
		});
		if (refused || !commit) return;
		this.members = this.members.filter((m) => m !== member);
		await this.deliver(undefined, commit, 'commit');
		this.members.push(member);
	}

	/** `sender` says `count` things; every other member hears them, in the order that `shuffle` makes. */
	async speak(sender: Member, count = 1, shuffle: <T>(list: T[]) => T[] = (list) => list): Promise<void> {
		const texts = Array.from({ length: count }, (_, i) => `${sender.name} says ${i}: ${'x'.repeat(i * 37)}`);
		const messages: { text: string; bytes: Uint8Array }[] = [];
		for (const text of texts) messages.push({ text, bytes: await sender.encrypt(new TextEncoder().encode(text)) });
		for (const m of this.members) {
			if (m === sender) continue;
			for (const { text, bytes } of shuffle(messages)) {
				const got = await m.process(bytes);
				assert.equal(got.kind, 'application');
				assert.equal(new TextDecoder().decode(got.plaintext), text, `${m.name} hears ${sender.name}`);
			}
		}
	}

	/** Everybody sees the same group. */
	async agree(): Promise<void> {
		const [first, ...rest] = await Promise.all(this.members.map(async (m) => ({ m, view: await m.view() })));
		assert.ok(first);
		assert.equal(first.view.members.length, this.members.length);
		assert.deepEqual(first.view.members.map((l) => l.signatureKey).sort(), this.members.map((m) => m.signatureKey).sort());
		for (const { m, view } of rest) assert.deepEqual({ ...view, ownIndex: 0 }, { ...first.view, ownIndex: 0 }, `${m.name} agrees with ${first.m.name}`);
		for (const { m, view } of [first, ...rest])
			assert.equal(view.members.find((l) => l.index === view.ownIndex)?.signatureKey, m.signatureKey, `${m.name} knows its place`);
	}
}
