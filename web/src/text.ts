// SPDX-License-Identifier: Apache-2.0
// All words of the page, in the two languages of the project.
import type { FailureKind } from './api';
import type { Fault } from './rules';

export type Language = 'en' | 'fr';

export interface Words {
  title: string;
  otherLanguage: string;
  invitedBy: string;
  intro: string;
  promises: [string, string][];
  loading: string;
  email: string;
  firstName: string;
  lastName: string;
  nameMissing: string;
  password: string;
  passwordHint: string;
  repeat: string;
  mismatch: string;
  showPassword: string;
  hidePassword: string;
  strengthLabel: string;
  strength: [string, string, string, string, string];
  faults: Record<Fault, string>;
  submit: string;
  working: string;
  doneTitle: string;
  doneText: (email: string) => string;
  next: string;
  installTitle: string;
  installText: string;
  signInTitle: string;
  signInText: string;
  joinTitle: string;
  joinText: string;
  copy: string;
  copied: string;
  fingerprint: string;
  fingerprintHint: string;
  retry: string;
  askAgain: string;
  failureTitles: Record<FailureKind, string>;
  failures: Record<FailureKind, string>;
}

const en: Words = {
  title: 'Validate your account',
  otherLanguage: 'Français',
  invitedBy: 'You are invited by',
  intro: 'Confirm your name and choose the password with which you will join meetings.',
  promises: [
    ['Nobody but you knows your password', 'It is turned into a proof in this browser. Not even the server ever sees it.'],
    ['Meetings are sealed end to end', 'Voice, video and files can be opened by the people in the meeting only.'],
    ['Everything stays in house', 'Your organisation runs the servers itself.'],
  ],
  loading: 'Opening your invitation…',
  email: 'E-mail address',
  firstName: 'First name',
  lastName: 'Last name',
  nameMissing: 'Please enter your first and last name, as the others shall see it.',
  password: 'Password',
  passwordHint: 'Four or five unrelated words make a password that is strong and easy to remember. Use one that you use nowhere else.',
  repeat: 'Password, once more',
  mismatch: 'The two passwords differ.',
  showPassword: 'Show',
  hidePassword: 'Hide',
  strengthLabel: 'Strength',
  strength: ['—', 'Very weak', 'Too weak', 'Good', 'Very strong'],
  faults: {
    empty: 'Please choose a password.',
    long: 'This password is too long: 256 bytes at most.',
    personal: 'It contains your name or your address. Somebody who knows you would try that first.',
    common: 'This is one of the 100,000 passwords that attackers try first.',
    weak: 'It can be guessed too quickly. Add another word or two.',
  },
  submit: 'Validate my account',
  working: 'Sealing your password…',
  doneTitle: 'Your account is ready',
  doneText: (email) => `You can sign in as ${email} from now on. This link is used up, you may delete the e‑mail.`,
  next: 'What comes next',
  installTitle: 'Install the client',
  installText: 'Install the Conclave client that your organisation provides. It needs no administrator rights.',
  signInTitle: 'Sign in',
  signInText: 'Give the client your organisation’s address, or type this in a terminal:',
  joinTitle: 'Join your meetings',
  joinText: 'You receive an e-mail for each meeting; it also appears in the client’s list.',
  copy: 'Copy',
  copied: 'Copied',
  fingerprint: 'Your organisation’s fingerprint',
  fingerprintHint: 'The client checks it at the first sign-in.',
  retry: 'Try again',
  askAgain: 'Ask your administrator for a new invitation. If you have already validated your account, simply sign in from the client.',
  failureTitles: {
    link: 'This link does not work',
    used: 'This link has been used already',
    expired: 'This link has expired',
    busy: 'One moment, please',
    network: 'No answer from the server',
    server: 'The server could not do that',
    browser: 'This browser could not do that',
  },
  failures: {
    link: 'It is incomplete, has been used, or is no longer valid.',
    used: 'An invitation link validates an account once only.',
    expired: 'Invitation links are valid for seven days.',
    busy: 'There were too many attempts. Wait a minute, then try again.',
    network: 'Check your connection and try again. Nothing you typed is lost.',
    server: 'Nothing was changed. Try again in a moment; if it keeps failing, tell your administrator.',
    browser: 'Update your browser, or use a current Firefox, Chromium, Edge or Safari.',
  },
};

const fr: Words = {
  title: 'Valider votre compte',
  otherLanguage: 'English',
  invitedBy: 'Vous êtes invité par',
  intro: 'Confirmez votre nom et choisissez le mot de passe avec lequel vous rejoindrez les réunions.',
  promises: [
    ['Vous seul connaissez votre mot de passe', 'Il est transformé en preuve dans ce navigateur. Même le serveur ne le voit jamais.'],
    ['Les réunions sont scellées de bout en bout', 'Voix, image et fichiers ne s’ouvrent que chez les participants de la réunion.'],
    ['Tout reste chez vous', 'Votre organisation héberge elle-même les serveurs.'],
  ],
  loading: 'Ouverture de votre invitation…',
  email: 'Adresse e-mail',
  firstName: 'Prénom',
  lastName: 'Nom',
  nameMissing: 'Indiquez votre prénom et votre nom, tels que les autres doivent les voir.',
  password: 'Mot de passe',
  passwordHint: 'Quatre ou cinq mots sans rapport font un mot de passe solide et facile à retenir. Ne le réutilisez nulle part ailleurs.',
  repeat: 'Mot de passe, encore une fois',
  mismatch: 'Les deux mots de passe diffèrent.',
  showPassword: 'Afficher',
  hidePassword: 'Masquer',
  strengthLabel: 'Robustesse',
  strength: ['—', 'Très faible', 'Trop faible', 'Bonne', 'Excellente'],
  faults: {
    empty: 'Choisissez un mot de passe.',
    long: 'Ce mot de passe est trop long : 256 octets au plus.',
    personal: 'Il contient votre nom ou votre adresse. Quelqu’un qui vous connaît l’essaierait en premier.',
    common: 'C’est l’un des 100 000 mots de passe que les attaquants essaient en premier.',
    weak: 'Il se devine trop vite. Ajoutez encore un mot ou deux.',
  },
  submit: 'Valider mon compte',
  working: 'Scellement du mot de passe…',
  doneTitle: 'Votre compte est prêt',
  doneText: (email) => `Vous pouvez dès maintenant vous connecter avec ${email}. Ce lien a servi, vous pouvez supprimer l’e‑mail.`,
  next: 'Et maintenant',
  installTitle: 'Installez le client',
  installText: 'Installez le client Conclave fourni par votre organisation. Il ne demande aucun droit d’administrateur.',
  signInTitle: 'Connectez-vous',
  signInText: 'Donnez au client l’adresse de votre organisation, ou tapez ceci dans un terminal :',
  joinTitle: 'Rejoignez vos réunions',
  joinText: 'Vous recevez un e-mail pour chaque réunion ; elle apparaît aussi dans la liste du client.',
  copy: 'Copier',
  copied: 'Copié',
  fingerprint: 'Empreinte de votre organisation',
  fingerprintHint: 'Le client la vérifie à la première connexion.',
  retry: 'Réessayer',
  askAgain: 'Demandez une nouvelle invitation à votre administrateur. Si vous avez déjà validé votre compte, connectez-vous simplement depuis le client.',
  failureTitles: {
    link: 'Ce lien ne fonctionne pas',
    used: 'Ce lien a déjà servi',
    expired: 'Ce lien a expiré',
    busy: 'Un instant, s’il vous plaît',
    network: 'Le serveur ne répond pas',
    server: 'Le serveur n’a pas pu le faire',
    browser: 'Ce navigateur n’a pas pu le faire',
  },
  failures: {
    link: 'Il est incomplet, a déjà servi, ou n’est plus valable.',
    used: 'Un lien d’invitation ne valide un compte qu’une seule fois.',
    expired: 'Les liens d’invitation sont valables sept jours.',
    busy: 'Il y a eu trop de tentatives. Attendez une minute, puis réessayez.',
    network: 'Vérifiez votre connexion et réessayez. Rien de ce que vous avez saisi n’est perdu.',
    server: 'Rien n’a été modifié. Réessayez dans un instant ; si cela persiste, prévenez votre administrateur.',
    browser: 'Mettez votre navigateur à jour, ou utilisez une version actuelle de Firefox, Chromium, Edge ou Safari.',
  },
};

export const words: Record<Language, Words> = { en, fr };

export function preferredLanguage(languages: readonly string[]): Language {
  for (const tag of languages) {
    const primary = tag.toLowerCase().split('-')[0];
    if (primary === 'fr' || primary === 'en') return primary;
  }
  return 'en';
}
