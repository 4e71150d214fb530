// SPDX-License-Identifier: Apache-2.0
// Random lives of groups that libs/mls and ts-mls share; after each step everybody must agree. The seed names the life.
// Six consecutive seeds go through suites 1, 2 and 3, each with basic and with X.509 credentials.
// CONCLAVE_WALKS and CONCLAVE_WALK_STEPS make it longer, CONCLAVE_WALK_SEED starts elsewhere.
import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import { Group } from './mls-group';
import { newMember } from './mls-members';
import { MlsPeer, type Member, type World } from './mls-world';

const walks = Number(process.env['CONCLAVE_WALKS'] ?? 6);
const steps = Number(process.env['CONCLAVE_WALK_STEPS'] ?? 24);
const firstSeed = Number(process.env['CONCLAVE_WALK_SEED'] ?? 1);
const membersMax = 9;

/** A small generator (mulberry32), so that a seed gives the same life on every machine. */
function random(seed: number): (below: number) => number {
	let state = seed >>> 0;
	return (below) => {
		state = (state + 0x6d2b79f5) >>> 0;
		let t = Math.imul(state ^ (state >>> 15), state | 1);
		t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
		return (((t ^ (t >>> 14)) >>> 0) % 1_000_003) % below;
	};
}

class Walk {
	private readonly log: string[] = [];

	constructor(
		private readonly group: Group,
		private readonly rnd: (below: number) => number,
	) {}

	private pick(from: Member[] = this.group.members): Member {
		return from[this.rnd(from.length)]!;
	}

	private newcomers(count: number): Promise<Member[]> {
		return Promise.all(Array.from({ length: count }, () => newMember(this.group.world, this.rnd(2) === 0)));
	}

	private shuffle = <T>(list: T[]): T[] => {
		const copy = [...list];
		for (let i = copy.length - 1; i > 0; i--) {
			const k = this.rnd(i + 1);
			[copy[i], copy[k]] = [copy[k]!, copy[i]!];
		}
		return copy;
	};

	private others(...not: Member[]): Member[] {
		return this.group.members.filter((m) => !not.includes(m));
	}

	private async byReference(committer: Member): Promise<void> {
		const added: Member[] = [], removed: Member[] = [];
		const proposers = this.others(committer);
		for (const proposer of this.shuffle(proposers).slice(0, 1 + this.rnd(3))) {
			if (removed.includes(proposer)) continue;
			const kind = this.rnd(3);
			if (kind === 0) await this.group.propose(proposer, { type: 'update' });
			else if (kind === 1 && proposers.length > 2 && !removed.length) {
				// Nobody is removed who has proposed an update: both would be about one leaf.
				removed.push(proposer);
				await this.group.propose(proposer, { type: 'remove', index: await this.group.indexOf(proposer) });
			} else {
				const [m] = await this.newcomers(1);
				added.push(m!);
				await this.group.propose(proposer, { type: 'add', keyPackage: await m!.keyPackage() });
			}
		}
		await this.group.commit(committer, { already: { added, removed } });
	}

	/** Two commit at once, one loses and goes on from the other's epoch. */
	private async race(winner: Member): Promise<void> {
		const loser = this.pick(this.others(winner));
		await loser.commit({});
		const { commit } = await winner.commit({});
		await loser.clear();
		for (const m of this.others(winner)) assert.equal((await m.process(commit)).kind, 'commit');
		await winner.merge();
	}

	/** One member sleeps through some commits and application messages, and hears them later, in order. */
	private async sleeper(): Promise<void> {
		const asleep = this.pick();
		const missed: Uint8Array[] = [];
		for (let i = 0; i < 3; i++) {
			const committer = this.pick(this.others(asleep));
			missed.push(await committer.encrypt(new Uint8Array([i])));
			for (const m of this.others(asleep, committer)) await m.process(missed.at(-1)!);
			const { commit } = await committer.commit({});
			for (const m of this.others(asleep, committer)) await m.process(commit);
			await committer.merge();
			missed.push(commit);
		}
		for (const message of missed) await asleep.process(message);
	}

	async step(): Promise<void> {
		const { group } = this;
		const n = group.members.length;
		const committer = this.pick();
		const action = this.rnd(12);
		this.log.push(`${action}:${committer.name}/${n}`);
		if (n < 3 || (action < 3 && n < membersMax)) await group.commit(committer, { add: await this.newcomers(1 + this.rnd(3)) });
		else if (action < 5) await group.commit(committer, { remove: this.shuffle(this.others(committer)).slice(0, 1 + this.rnd(Math.max(1, n - 3))) });
		else if (action < 6) await group.commit(committer, { add: await this.newcomers(1), remove: [this.pick(this.others(committer))] });
		else if (action < 7) await group.commit(committer);
		else if (action < 8) await this.byReference(committer);
		else if (action < 9) {
			const [m] = await this.newcomers(1);
			await group.joinExternal(m!, committer, { treeOutside: this.rnd(2) === 0 });
		} else if (action < 10) await group.joinExternal(this.pick(this.others(committer)), committer, { resync: true });
		else if (action < 11) await this.race(committer);
		else await this.sleeper();
		await group.agree();
		await group.speak(this.pick(), 1 + this.rnd(4), this.shuffle);
		if (this.rnd(4) === 0) await this.pick().restart();
	}

	story(): string {
		return this.log.join(' ');
	}
}

const peers: MlsPeer[] = [];
after(() => Promise.all(peers.map((p) => p.close())));

for (let seed = firstSeed; seed < firstSeed + walks; seed++) {
	const suite = 1 + (seed % 3);
	const x509 = seed % 6 < 3;
	test(`life ${seed}: suite ${suite}, ${x509 ? 'X.509' : 'basic'}`, async () => {
		const rnd = random(seed);
		const peer = new MlsPeer();
		peers.push(peer);
		const world: World = { peer, suite, x509, publicHandshake: rnd(3) === 0, psks: {} };
		const walk = new Walk(await Group.create(world, rnd(2) === 0), rnd);
		for (let i = 0; i < steps; i++)
			try {
				await walk.step();
			} catch (err) {
				throw new Error(`seed ${seed}, step ${i} (${walk.story()}): ${(err as Error).stack}`);
			}
	});
}
