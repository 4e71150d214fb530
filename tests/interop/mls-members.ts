// SPDX-License-Identifier: Apache-2.0
// One member of an MLS group, played by libs/mls (on a pipe) or by ts-mls, behind one interface.
import { X509Certificate, createPublicKey, randomBytes, webcrypto } from 'node:crypto';
import { p256 } from '@noble/curves/nist.js';
import {
	type CiphersuiteImpl,
	type CiphersuiteName,
	type ClientConfig,
	type ClientState,
	type Credential,
	type Extension as TsExtension,
	type KeyPackage,
	type PrivateKeyPackage,
	type ProcessMessageResult,
	type Proposal,
	type PskIndex,
	bytesToBase64,
	ciphersuites,
	createApplicationMessage,
	createCommit,
	createGroup,
	createProposal,
	decodeMlsMessage,
	defaultCapabilities,
	encodeMlsMessage,
	generateKeyPackageWithKey,
	getCiphersuiteFromName,
	getCiphersuiteImpl,
	joinGroup,
	joinGroupExternal,
	joinGroupFromBranch,
	joinGroupFromReinit,
	makePskIndex,
	mlsExporter,
	processPrivateMessage,
	processPublicMessage,
	proposeAddExternal,
	reinitGroup,
} from 'ts-mls';
import { createGroupInfo } from 'ts-mls/createCommit.js';
import { defaultClientConfig } from 'ts-mls/clientConfig.js';
import { makeResumptionPsk } from 'ts-mls/resumption.js';
import { decodeRatchetTree, encodeRatchetTree } from 'ts-mls/ratchetTree.js';
import { Peer } from './peer';

// Node 18 has no global Web Crypto.
globalThis.crypto ??= webcrypto as Crypto;

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

const hex = (bytes: Uint8Array) => Buffer.from(bytes).toString('hex');
const unhex = (text: string) => new Uint8Array(Buffer.from(text, 'hex'));

export interface World {
	peer: MlsPeer;
	suite: number;
	x509: boolean;
	/** Handshake messages as PublicMessage. */
	publicHandshake: boolean;
	psks: Record<string, Uint8Array>;
}

type Json = Record<string, unknown>;

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

// ---- libs/mls ----

class OurMember implements Member {
	readonly ours = true;
	signatureKey = '';

	constructor(
		readonly name: string,
		private readonly world: World,
	) {}

	private ask(cmd: string, more: Json = {}): Promise<Json> {
		return this.world.peer.ask({ cmd, name: this.name, public: this.world.publicHandshake, ...more });
	}

	async start(): Promise<this> {
		const { suite, x509 } = this.world;
		this.signatureKey = (await this.ask('member', { suite, x509, identity: hex(Buffer.from(this.name)) }))['signature_key'] as string;
		return this;
	}

	async keyPackage() {
		return unhex((await this.ask('key_package'))['key_package'] as string);
	}

	async create(groupId: Uint8Array) {
		await this.ask('create', { group_id: hex(groupId) });
	}

	async join(welcome: Uint8Array, tree?: Uint8Array) {
		await this.ask('join', { welcome: hex(welcome), ...(tree && { tree: hex(tree) }) });
	}

	async joinExternal(groupInfo: Uint8Array, tree?: Uint8Array, resync = false) {
		const answer = await this.ask('join_external', { group_info: hex(groupInfo), resync, ...(tree && { tree: hex(tree) }) });
		return unhex(answer['commit'] as string);
	}

	async commit(options: CommitOptions) {
		const answer = await this.ask('commit', {
			adds: options.adds?.map(hex) ?? [],
			removes: options.removes ?? [],
			psks: options.psks?.map(hex) ?? [],
			...(options.extensions && { extensions: options.extensions.map((e) => ({ type: e.type, data: hex(e.data) })) }),
			tree_outside: options.treeOutside ?? false,
		});
		const part = (key: string) => (typeof answer[key] === 'string' ? unhex(answer[key]) : undefined);
		return { commit: part('commit')!, welcome: part('welcome'), tree: part('tree') };
	}

	async merge() {
		await this.ask('merge');
	}

	async clear() {
		await this.ask('clear');
	}

	async propose(request: ProposalRequest) {
		const more =
			request.type === 'add' ? { key_package: hex(request.keyPackage) }
			: request.type === 'remove' ? { index: request.index }
			: request.type === 'psk' ? { psk: hex(request.psk) }
			: request.type === 'extensions' ? { extensions: request.extensions.map((e) => ({ type: e.type, data: hex(e.data) })) }
			: {};
		return unhex((await this.ask('propose', { type: request.type, ...more }))['message'] as string);
	}

	async process(message: Uint8Array): Promise<Received> {
		const answer = await this.ask('process', { message: hex(message) });
		const kind = answer['kind'] as Received['kind'];
		return kind === 'application' ? { kind, plaintext: unhex(answer['plaintext'] as string) } : { kind };
	}

	async encrypt(plaintext: Uint8Array) {
		return unhex((await this.ask('encrypt', { plaintext: hex(plaintext) }))['message'] as string);
	}

	async groupInfo(withTree: boolean) {
		const answer = await this.ask('group_info', { with_tree: withTree });
		return { groupInfo: unhex(answer['group_info'] as string), tree: unhex(answer['tree'] as string) };
	}

	async view(): Promise<GroupView> {
		const s = (await this.ask('state'))['state'] as Json;
		return {
			epoch: s['epoch'] as number,
			ownIndex: s['own_index'] as number,
			authenticator: s['authenticator'] as string,
			transcript: s['transcript'] as string,
			treeHash: s['tree_hash'] as string,
			exporter: s['exporter'] as string,
			members: (s['members'] as { index: number; signature_key: string }[]).map((m) => ({ index: m.index, signatureKey: m.signature_key })),
		};
	}

	async proposeJoin(groupInfo: Uint8Array, epoch: number) {
		const message = decode(groupInfo);
		if (message.wireformat !== 'mls_group_info') throw new Error('not a GroupInfo');
		await this.keyPackage();
		const answer = await this.ask('propose_join', { group_id: hex(message.groupInfo.groupContext.groupId), epoch });
		return unhex(answer['message'] as string);
	}

	async end(groupId: Uint8Array, suite: number) {
		return unhex((await this.ask('end', { group_id: hex(groupId), suite }))['commit'] as string);
	}

	async succeed(kind: 'reinit' | 'branch', groupId: Uint8Array, keyPackages: Uint8Array[]) {
		const answer = await this.ask(kind, { group_id: hex(groupId), key_packages: keyPackages.map(hex) });
		return { welcome: unhex(answer['welcome'] as string) };
	}

	async joinSuccessor(_kind: 'reinit' | 'branch', welcome: Uint8Array, tree?: Uint8Array) {
		await this.ask('join_successor', { welcome: hex(welcome), ...(tree && { tree: hex(tree) }) });
	}

	async restart() {
		await this.ask('save_restore');
	}
}

// ---- ts-mls ----

const suiteNames = new Map(Object.entries(ciphersuites).map(([name, id]) => [id as number, name as CiphersuiteName]));

class TsMember implements Member {
	readonly ours = false;
	signatureKey = '';
	private cs!: CiphersuiteImpl;
	private credential!: Credential;
	private signKey!: { signKey: Uint8Array; publicKey: Uint8Array };
	private config: ClientConfig = defaultClientConfig;
	private packages: { publicPackage: KeyPackage; privatePackage: PrivateKeyPackage }[] = [];
	private state: ClientState | undefined;
	private pending: ClientState | undefined;

	constructor(
		readonly name: string,
		private readonly world: World,
	) {}

	async start(): Promise<this> {
		const { peer, suite, x509 } = this.world;
		this.cs = await getCiphersuiteImpl(getCiphersuiteFromName(suiteNames.get(suite)!));
		this.signKey = await this.cs.signature.keygen();
		// RFC 9420 section 5.1.1 wants uncompressed points; ts-mls generates compressed ones.
		if (suite === 2) this.signKey = { ...this.signKey, publicKey: p256.getPublicKey(this.signKey.signKey, false) };
		this.signatureKey = hex(this.signKey.publicKey);
		this.credential = { credentialType: 'basic', identity: new TextEncoder().encode(this.name) };
		if (x509) {
			const answer = await peer.ask({ cmd: 'issue', suite, public_key: this.signatureKey, common_name: this.name });
			this.credential = { credentialType: 'x509', certificates: [unhex(answer['certificate'] as string)] };
			const authority = new X509Certificate(unhex((await peer.ask({ cmd: 'authority' }))['certificate'] as string));
			this.config = { ...defaultClientConfig, authService: { validateCredential: async (c, key) => certified(authority, c, key) } };
		}
		return this;
	}

	private get current(): ClientState {
		if (!this.state) throw new Error(`${this.name} is in no group`);
		return this.state;
	}

	private psks(state?: ClientState): PskIndex {
		return makePskIndex(state, this.world.psks);
	}

	private async newPackage() {
		const now = BigInt(Math.floor(Date.now() / 1000));
		const capabilities = defaultCapabilities();
		capabilities.extensions.push(testExtension);
		const made = await generateKeyPackageWithKey(
			this.credential,
			capabilities,
			{ notBefore: now - 3600n, notAfter: now + 86400n },
			[],
			this.signKey,
			this.cs,
		);
		this.packages = [made, ...this.packages].slice(0, 4);
		return made;
	}

	async keyPackage() {
		const { publicPackage } = await this.newPackage();
		return encodeMlsMessage({ version: 'mls10', wireformat: 'mls_key_package', keyPackage: publicPackage });
	}

	async create(groupId: Uint8Array) {
		const { publicPackage, privatePackage } = await this.newPackage();
		this.state = await createGroup(groupId, publicPackage, privatePackage, [], this.cs, this.config);
	}

	async join(welcome: Uint8Array, tree?: Uint8Array) {
		const message = decode(welcome);
		if (message.wireformat !== 'mls_welcome') throw new Error('not a Welcome');
		const ratchetTree = tree && decodeRatchetTree(tree, 0)?.[0];
		let failure: unknown;
		for (const p of this.packages) {
			try {
				this.state = await joinGroup(message.welcome, p.publicPackage, p.privatePackage, this.psks(), this.cs, ratchetTree, undefined, this.config);
				return;
			} catch (err) {
				failure ??= err;
			}
		}
		throw failure;
	}

	async joinExternal(groupInfo: Uint8Array, tree?: Uint8Array, resync = false) {
		const message = decode(groupInfo);
		if (message.wireformat !== 'mls_group_info') throw new Error('not a GroupInfo');
		const { publicPackage, privatePackage } = await this.newPackage();
		const ratchetTree = tree && decodeRatchetTree(tree, 0)?.[0];
		const made = await joinGroupExternal(message.groupInfo, publicPackage, privatePackage, resync, externalPubReader(this.cs), ratchetTree, this.config);
		this.state = made.newState;
		return encodeMlsMessage({ version: 'mls10', wireformat: 'mls_public_message', publicMessage: made.publicMessage });
	}

	async commit(options: CommitOptions) {
		const extraProposals: Proposal[] = [
			...(options.adds ?? []).map((kp) => addProposal(kp)),
			...(options.removes ?? []).map((removed): Proposal => ({ proposalType: 'remove', remove: { removed } })),
			...(options.psks ?? []).map((id) => this.pskProposal(id)),
			...(options.extensions ? [extensionsProposal(options.extensions)] : []),
		];
		const made = await createCommit(
			{ state: this.current, cipherSuite: this.cs, pskIndex: this.psks(this.current) },
			{ extraProposals, ratchetTreeExtension: !options.treeOutside, wireAsPublicMessage: this.world.publicHandshake },
		);
		this.pending = made.newState;
		return {
			commit: encodeMlsMessage(made.commit),
			welcome: made.welcome && encodeMlsMessage({ version: 'mls10', wireformat: 'mls_welcome', welcome: made.welcome }),
			tree: options.treeOutside ? encodeRatchetTree(made.newState.ratchetTree) : undefined,
		};
	}

	async merge() {
		if (!this.pending) throw new Error('nothing to merge');
		this.state = this.pending;
		this.pending = undefined;
	}

	async clear() {
		this.pending = undefined;
	}

	private pskProposal(pskId: Uint8Array): Proposal {
		return { proposalType: 'psk', psk: { preSharedKeyId: { psktype: 'external', pskId, pskNonce: new Uint8Array(randomBytes(this.cs.kdf.size)) } } };
	}

	async propose(request: ProposalRequest) {
		const proposal: Proposal =
			request.type === 'add' ? addProposal(request.keyPackage)
			: request.type === 'remove' ? { proposalType: 'remove', remove: { removed: request.index } }
			: request.type === 'psk' ? this.pskProposal(request.psk)
			: request.type === 'extensions' ? extensionsProposal(request.extensions)
			: unsupported();
		const made = await createProposal(this.current, this.world.publicHandshake, proposal, this.cs);
		this.state = made.newState;
		return encodeMlsMessage(made.message);
	}

	async process(bytes: Uint8Array): Promise<Received> {
		const message = decode(bytes);
		if (message.wireformat !== 'mls_private_message' && message.wireformat !== 'mls_public_message') throw new Error('not for a group');
		const before = this.current.groupContext.epoch;
		// Not processMessage: in ts-mls 1.6.4 that forgets the pre-shared keys of a PrivateMessage.
		const psks = this.psks(this.current);
		const result: ProcessMessageResult =
			message.wireformat === 'mls_private_message'
				? await processPrivateMessage(this.current, message.privateMessage, psks, this.cs)
				: { kind: 'newState', ...(await processPublicMessage(this.current, message.publicMessage, psks, this.cs)) };
		this.state = result.newState;
		if (result.kind === 'applicationMessage') return { kind: 'application', plaintext: result.message };
		if (result.newState.groupActiveState.kind === 'removedFromGroup') return { kind: 'removed' };
		if (result.newState.groupActiveState.kind === 'suspendedPendingReinit') return { kind: 'reinit' };
		if (result.newState.groupContext.epoch === before) return { kind: 'proposal' };
		this.pending = undefined;
		return { kind: 'commit' };
	}

	async encrypt(plaintext: Uint8Array) {
		const made = await createApplicationMessage(this.current, plaintext, this.cs);
		this.state = made.newState;
		return encodeMlsMessage({ version: 'mls10', wireformat: 'mls_private_message', privateMessage: made.privateMessage });
	}

	async groupInfo(withTree: boolean) {
		const s = this.current;
		const tree = encodeRatchetTree(s.ratchetTree);
		const { publicKey } = await this.cs.hpke.deriveKeyPair(s.keySchedule.externalSecret);
		const extensions: TsExtension[] = [{ extensionType: 'external_pub', extensionData: vector(await this.cs.hpke.exportPublicKey(publicKey)) }];
		if (withTree) extensions.push({ extensionType: 'ratchet_tree', extensionData: tree });
		const groupInfo = await createGroupInfo(s.groupContext, s.confirmationTag, s, extensions, this.cs);
		return { groupInfo: encodeMlsMessage({ version: 'mls10', wireformat: 'mls_group_info', groupInfo }), tree };
	}

	async view(): Promise<GroupView> {
		const s = this.current;
		return {
			epoch: Number(s.groupContext.epoch),
			ownIndex: s.privatePath.leafIndex,
			authenticator: hex(s.keySchedule.epochAuthenticator),
			transcript: hex(s.groupContext.confirmedTranscriptHash),
			treeHash: hex(s.groupContext.treeHash),
			exporter: hex(await mlsExporter(s.keySchedule.exporterSecret, 'test', new TextEncoder().encode('interop'), 32, this.cs)),
			members: s.ratchetTree.flatMap((n, i) => (n?.nodeType === 'leaf' ? [{ index: i / 2, signatureKey: hex(n.leaf.signaturePublicKey) }] : [])),
		};
	}

	async proposeJoin(groupInfo: Uint8Array) {
		const message = decode(groupInfo);
		if (message.wireformat !== 'mls_group_info') throw new Error('not a GroupInfo');
		const { publicPackage, privatePackage } = await this.newPackage();
		return encodeMlsMessage(await proposeAddExternal(message.groupInfo, publicPackage, privatePackage, this.cs));
	}

	async end(groupId: Uint8Array, suite: number) {
		const made = await reinitGroup(this.current, groupId, 'mls10', suiteNames.get(suite)!, [], this.cs);
		this.pending = made.newState;
		return encodeMlsMessage(made.commit);
	}

	async succeed(kind: 'reinit' | 'branch', groupId: Uint8Array, keyPackages: Uint8Array[]) {
		const { publicPackage, privatePackage } = await this.newPackage();
		const others = keyPackages.map((bytes) => {
			const message = decode(bytes);
			if (message.wireformat !== 'mls_key_package') throw new Error('not a KeyPackage');
			return message.keyPackage;
		});
		// What reinitCreateNewGroup and branchGroup do, with our authentication service and the tree inside the Welcome.
		const start = await createGroup(groupId, publicPackage, privatePackage, this.current.groupContext.extensions, this.cs, this.config);
		const psk = makeResumptionPsk(this.current, kind, this.cs);
		const made = await createCommit(
			{ state: start, cipherSuite: this.cs, pskIndex: makePskIndex(this.current, {}) },
			{
				extraProposals: [
					...others.map((keyPackage): Proposal => ({ proposalType: 'add', add: { keyPackage } })),
					{ proposalType: 'psk', psk: { preSharedKeyId: psk.id } },
				],
				ratchetTreeExtension: true,
			},
		);
		this.state = made.newState;
		return { welcome: encodeMlsMessage({ version: 'mls10', wireformat: 'mls_welcome', welcome: made.welcome! }) };
	}

	async joinSuccessor(kind: 'reinit' | 'branch', welcome: Uint8Array) {
		const message = decode(welcome);
		if (message.wireformat !== 'mls_welcome') throw new Error('not a Welcome');
		const { publicPackage, privatePackage } = this.packages[0]!;
		this.state =
			kind === 'reinit'
				? await joinGroupFromReinit(this.current, message.welcome, publicPackage, privatePackage, undefined)
				: await joinGroupFromBranch(this.current, message.welcome, publicPackage, privatePackage, undefined, this.cs);
	}

	async restart() {}
}

function decode(bytes: Uint8Array) {
	const decoded = decodeMlsMessage(bytes, 0);
	if (!decoded || decoded[1] !== bytes.length) throw new Error('not an MLSMessage');
	return decoded[0];
}

/**
 * external_pub is `struct { HPKEPublicKey external_pub; }`, so a vector with its length in front (RFC 9420 section 12.4.3.2).
 * ts-mls 1.6.4 writes and reads the bare key; these two put it right.
 */
function vector(key: Uint8Array): Uint8Array {
	return key.length < 64 ? Uint8Array.of(key.length, ...key) : Uint8Array.of(0x40 | (key.length >> 8), key.length & 0xff, ...key);
}
function externalPubReader(cs: CiphersuiteImpl): CiphersuiteImpl {
	const bare = (key: Uint8Array) => (key.length === 33 && key[0] === 32 ? key.subarray(1) : key.length === 67 ? key.subarray(2) : key);
	return { ...cs, hpke: { ...cs.hpke, importPublicKey: (key) => cs.hpke.importPublicKey(bare(key)) } };
}

function unsupported(): never {
	throw new Error('ts-mls cannot make this proposal');
}

function addProposal(bytes: Uint8Array): Proposal {
	const message = decode(bytes);
	if (message.wireformat !== 'mls_key_package') throw new Error('not a KeyPackage');
	return { proposalType: 'add', add: { keyPackage: message.keyPackage } };
}

function extensionsProposal(extensions: Extension[]): Proposal {
	return {
		proposalType: 'group_context_extensions',
		groupContextExtensions: { extensions: extensions.map((e) => ({ extensionType: e.type, extensionData: e.data })) },
	};
}

/** The chain's first certificate must be the authority's and hold the member's signature key. */
function certified(authority: X509Certificate, credential: Credential, key: Uint8Array): boolean {
	if (credential.credentialType !== 'x509') return false;
	const cert = new X509Certificate(credential.certificates[0]!);
	const jwk = createPublicKey(cert.publicKey.export({ type: 'spki', format: 'pem' }) as string).export({ format: 'jwk' });
	const part = (text: string | undefined) => Buffer.from(text ?? '', 'base64url');
	const raw = jwk.kty === 'EC' ? Buffer.concat([Buffer.of(4), part(jwk.x), part(jwk.y)]) : part(jwk.x);
	return cert.verify(authority.publicKey) && raw.equals(key);
}

let count = 0;

/** A new member; names are unique within the process. */
export function newMember(world: World, ours: boolean): Promise<Member> {
	const name = `${ours ? 'ours' : 'ts'}-${++count}`;
	return (ours ? new OurMember(name, world) : new TsMember(name, world)).start();
}
