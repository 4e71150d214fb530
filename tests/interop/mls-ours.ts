// SPDX-License-Identifier: Apache-2.0
// A member played by libs/mls, on a pipe.
import { type CommitOptions, type GroupView, type Json, type Member, type ProposalRequest, type Received, type World, decode, hex, unhex } from './mls-world';

export class OurMember implements Member {
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
