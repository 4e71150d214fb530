// SPDX-License-Identifier: Apache-2.0
// What a member of an MLS group can do, whoever plays it, and the world its members share.
import { bytesToBase64, decodeMlsMessage } from 'ts-mls';
import { Peer } from './peer';

/** An extension type of the private range that every member of these tests understands. */
export const testExtension = 0xf0a1;

export interface Extension {
	type: number;
	data: Uint8Array;
}
export interface CommitOptions {
	adds?: Uint8Array[];
	removes?: number[];
	psks?: Uint8Array[];
	extensions?: Extension[];
	treeOutside?: boolean;
}
export interface CommitResult {
	commit: Uint8Array;
	welcome?: Uint8Array;
	tree?: Uint8Array;
}
export type ProposalRequest =
	| { type: 'add'; keyPackage: Uint8Array }
	| { type: 'remove'; index: number }
	| { type: 'update' }
	| { type: 'psk'; psk: Uint8Array }
	| { type: 'extensions'; extensions: Extension[] };
export interface Received {
	kind: 'application' | 'proposal' | 'commit' | 'removed' | 'reinit';
	plaintext?: Uint8Array;
}
export interface GroupView {
	epoch: number;
	ownIndex: number;
	authenticator: string;
	transcript: string;
	treeHash: string;
	exporter: string;
	members: { index: number; signatureKey: string }[];
}
/** Each call either succeeds or throws and changes nothing. A commit waits for merge() or clear(). */
export interface Member {
	readonly name: string;
	readonly ours: boolean;
	readonly signatureKey: string;
	keyPackage(): Promise<Uint8Array>;
	create(groupId: Uint8Array): Promise<void>;
	join(welcome: Uint8Array, tree?: Uint8Array): Promise<void>;
	joinExternal(groupInfo: Uint8Array, tree?: Uint8Array, resync?: boolean): Promise<Uint8Array>;
	commit(options: CommitOptions): Promise<CommitResult>;
	merge(): Promise<void>;
	clear(): Promise<void>;
	propose(request: ProposalRequest): Promise<Uint8Array>;
	process(message: Uint8Array): Promise<Received>;
	encrypt(plaintext: Uint8Array): Promise<Uint8Array>;
	groupInfo(withTree: boolean): Promise<{ groupInfo: Uint8Array; tree: Uint8Array }>;
	view(): Promise<GroupView>;
	/** From outside: asks to be added to the group of this GroupInfo (and epoch). */
	proposeJoin(groupInfo: Uint8Array, epoch: number): Promise<Uint8Array>;
	/** Commits a ReInit; after merge() the group has ended. */
	end(groupId: Uint8Array, suite: number): Promise<Uint8Array>;
	/** Makes the group that follows the ended one, or a branch of the present one, and is in it afterwards. */
	succeed(kind: 'reinit' | 'branch', groupId: Uint8Array, keyPackages: Uint8Array[]): Promise<{ welcome: Uint8Array; tree?: Uint8Array }>;
	joinSuccessor(kind: 'reinit' | 'branch', welcome: Uint8Array, tree?: Uint8Array): Promise<void>;
	/** Puts the group away and takes it out again, where the implementation can. */
	restart(): Promise<void>;
}

export const hex = (bytes: Uint8Array) => Buffer.from(bytes).toString('hex');
export const unhex = (text: string) => new Uint8Array(Buffer.from(text, 'hex'));

export interface World {
	peer: MlsPeer;
	suite: number;
	x509: boolean;
	/** Handshake messages as PublicMessage. */
	publicHandshake: boolean;
	psks: Record<string, Uint8Array>;
}

export type Json = Record<string, unknown>;

/** The helper program, and what its certification authority certifies. */
export class MlsPeer {
	private readonly peer = new Peer('mls-peer');

	async ask(request: Json): Promise<Json> {
		const answer = JSON.parse(await this.peer.line(JSON.stringify(request))) as Json;
		if (typeof answer['error'] === 'string') throw new Error(`${String(request['cmd'])}: ${answer['error']}`);
		return answer;
	}

	async addPsk(world: World, id: Uint8Array, value: Uint8Array): Promise<void> {
		world.psks[bytesToBase64(id)] = value;
		await this.ask({ cmd: 'psk', id: hex(id), value: hex(value) });
	}

	close(): Promise<void> {
		return this.peer.close();
	}
}

export function decode(bytes: Uint8Array) {
	const decoded = decodeMlsMessage(bytes, 0);
	if (!decoded || decoded[1] !== bytes.length) throw new Error('not an MLSMessage');
	return decoded[0];
}
