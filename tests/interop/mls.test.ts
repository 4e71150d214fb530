// SPDX-License-Identifier: Apache-2.0
// libs/mls against ts-mls: cipher suites 1, 2 and 3, basic and X.509 credentials, private and public handshakes.
import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import { Group } from './mls-group';
import { newMember } from './mls-members';
import { MlsPeer, type Member, type World, testExtension } from './mls-world';

const peer = new MlsPeer();
after(() => peer.close());

const worlds: World[] = [1, 2, 3].flatMap((suite) =>
	[false, true].map((x509) => ({ peer, suite, x509, publicHandshake: false, psks: {} })),
);
worlds.push({ peer, suite: 1, x509: false, publicHandshake: true, psks: {} });

const titleOf = (w: World) => `suite ${w.suite}, ${w.x509 ? 'X.509' : 'basic'}, ${w.publicHandshake ? 'public' : 'private'} handshake`;
const people = (world: World, kinds: boolean[]) => Promise.all(kinds.map((ours) => newMember(world, ours)));

/** Everybody updates and speaks in turn. */
async function everyoneActs(group: Group): Promise<void> {
	for (const m of [...group.members]) {
		await group.commit(m);
		await group.agree();
		await group.speak(m, 2);
	}
}

for (const world of worlds)
	for (const first of [true, false]) {
		test(`${titleOf(world)}, group of ${first ? 'ours' : 'theirs'}: add, update, speak, remove`, async () => {
			const group = await Group.create(world, first);
			const founder = group.members[0]!;
			await group.commit(founder, { add: await people(world, [!first]) });
			await group.agree();
			await everyoneActs(group);
			// The other implementation adds several at once, and some of either kind.
			await group.commit(group.members[1]!, { add: await people(world, [true, false, true]) });
			await group.agree();
			await everyoneActs(group);
			// Add and Remove in one commit, by either kind.
			await group.commit(group.members[2]!, { add: await people(world, [false]), remove: [group.members[3]!] });
			await group.agree();
			await group.commit(group.members[1]!, { remove: [group.members[0]!] });
			await group.agree();
			await everyoneActs(group);
		});
	}

for (const world of worlds) {
	test(`${titleOf(world)}: proposals by reference`, async () => {
		const group = await Group.create(world, true);
		await group.commit(group.members[0]!, { add: await people(world, [false, true, false, true]) });
		const [a, b, c, d, e] = group.members as [Member, Member, Member, Member, Member];
		// Ours proposes, theirs commits: an update, an addition, a removal.
		const [f] = await people(world, [false]);
		await group.propose(a, { type: 'update' });
		await group.propose(c, { type: 'add', keyPackage: await f!.keyPackage() });
		await group.propose(c, { type: 'remove', index: await group.indexOf(e) });
		await group.commit(b, { already: { added: [f!], removed: [e] } });
		await group.agree();
		// Theirs proposes, ours commits.
		const [g] = await people(world, [true]);
		await group.propose(b, { type: 'update' });
		await group.propose(b, { type: 'add', keyPackage: await g!.keyPackage() });
		await group.propose(d, { type: 'update' });
		await group.propose(d, { type: 'remove', index: await group.indexOf(f!) });
		await group.commit(a, { already: { added: [g!], removed: [f!] } });
		await group.agree();
		await everyoneActs(group);
		// One of each kind updates, theirs commits, and each new key opens the next path.
		await group.propose(d, { type: 'update' });
		await group.propose(a, { type: 'update' });
		await group.commit(b);
		await group.agree();
		await everyoneActs(group);
		// A member asks for its own removal.
		await group.propose(d, { type: 'remove', index: await group.indexOf(d) });
		await group.commit(b, { already: { removed: [d] } });
		await group.agree();
		await everyoneActs(group);
	});

	test(`${titleOf(world)}: external joins and resynchronisation`, async () => {
		const group = await Group.create(world, true);
		await group.commit(group.members[0]!, { add: await people(world, [false]) });
		for (const [ours, helper, treeOutside] of [[false, 0, false], [true, 1, false], [false, 1, true], [true, 0, true], [true, 2, false]] as const) {
			const [m] = await people(world, [ours]);
			await group.joinExternal(m!, group.members[helper]!, { treeOutside });
			await group.agree();
			await group.speak(m!, 1);
		}
		await everyoneActs(group);
		for (const ours of [true, false]) {
			const lost = group.members.find((m) => m.ours === ours)!;
			await group.joinExternal(lost, group.members.find((m) => m !== lost && m.ours !== ours)!, { resync: true });
			await group.agree();
		}
		await everyoneActs(group);
	});

	test(`${titleOf(world)}: pre-shared keys, extensions, tree outside the Welcome`, async () => {
		const id = new TextEncoder().encode(`psk of suite ${world.suite} ${world.publicHandshake}`);
		await peer.addPsk(world, id, new Uint8Array(32).fill(world.suite));
		const group = await Group.create(world, false);
		await group.commit(group.members[0]!, { add: await people(world, [true, false, true]), treeOutside: true });
		await group.agree();
		await group.commit(group.members[1]!, { add: await people(world, [true, false]), treeOutside: true });
		await group.agree();
		for (const m of group.members.slice(0, 2)) {
			await group.commit(m, { psks: [id] });
			await group.agree();
			// A newcomer needs the pre-shared key too.
			await group.commit(m, { psks: [id], add: await people(world, [!m.ours]) });
			await group.agree();
			await group.propose(m, { type: 'psk', psk: id });
			await group.commit(group.members.find((other) => other.ours !== m.ours)!);
			await group.agree();
		}
		const extensions = [{ type: testExtension, data: new TextEncoder().encode('meeting state') }];
		const [theirs, ours] = group.members as [Member, Member];
		await group.commit(ours, { extensions });
		await group.agree();
		await group.propose(theirs, { type: 'extensions', extensions: [{ type: testExtension, data: new Uint8Array([1]) }] });
		await group.commit(ours);
		await group.agree();
		await group.commit(theirs, { add: await people(world, [true]) });
		await group.agree();
		await everyoneActs(group);
	});

	test(`${titleOf(world)}: newcomers who ask, branches, reinitialisation`, async () => {
		const group = await Group.create(world, true);
		await group.commit(group.members[0]!, { add: await people(world, [false, true, false]) });
		for (const ours of [true, false]) {
			const [m] = await people(world, [ours]);
			const helper = group.members.find((other) => other.ours !== ours)!;
			const { groupInfo } = await helper.groupInfo(true);
			await group.deliver(undefined, await m!.proposeJoin(groupInfo, (await helper.view()).epoch), 'proposal');
			await group.commit(helper, { already: { added: [m!] } });
			await group.agree();
		}
		for (const [kind, maker] of [['branch', 0], ['branch', 1], ['reinit', 2], ['reinit', 3]] as const) {
			const groupId = new TextEncoder().encode(`${kind} by ${group.members[maker]!.name}`);
			const founder = group.members[maker]!;
			const others = group.members.filter((m) => m !== founder);
			if (kind === 'reinit') {
				const commit = await founder.end(groupId, world.suite);
				for (const m of others) assert.equal((await m.process(commit)).kind, 'reinit');
				await founder.merge();
				await assert.rejects(others[0]!.encrypt(new Uint8Array(1)), 'the group has ended');
			}
			const { welcome, tree } = await founder.succeed(kind, groupId, await Promise.all(others.map((m) => m.keyPackage())));
			for (const m of others) await m.joinSuccessor(kind, welcome, tree);
			await group.agree();
			await everyoneActs(group);
		}
	});

	test(`${titleOf(world)}: what is lost, late, twice or forged`, async () => {
		const group = await Group.create(world, true);
		await group.commit(group.members[0]!, { add: await people(world, [false, true, false]) });
		const [a, b, c] = group.members as [Member, Member, Member];
		// Out of order, and once only.
		await group.speak(a, 6, (list) => [...list].reverse());
		await group.speak(b, 6, (list) => [...list].reverse());
		const said = await b.encrypt(new TextEncoder().encode('once'));
		assert.equal((await a.process(said)).kind, 'application');
		await assert.rejects(a.process(said), 'a replay');
		await assert.rejects(a.process(said.slice(0, -1)), 'a truncated message');
		// Two commit at once: the delivery service takes the first, the other one steps back.
		const first = await b.commit({}), second = await a.commit({});
		await a.clear();
		for (const m of group.members.filter((x) => x !== b)) assert.equal((await m.process(first.commit)).kind, 'commit');
		await b.merge();
		await group.agree();
		for (const m of [b, c]) await assert.rejects(m.process(second.commit), 'a commit of a past epoch');
		// A commit with any bit changed changes nothing.
		const third = await b.commit({});
		for (let at = third.commit.length - 1; at > 0; at -= 97) {
			const forged = third.commit.slice();
			forged[at]! ^= 4;
			await assert.rejects(c.process(forged), `byte ${at} changed`);
		}
		for (const m of group.members.filter((x) => x !== b)) assert.equal((await m.process(third.commit)).kind, 'commit');
		await b.merge();
		await group.agree();
		for (const m of group.members) await m.restart();
		await everyoneActs(group);
	});
}
