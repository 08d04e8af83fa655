import { check, ioctl, type NativeBuffer, nativeBuffer } from "./libc.ts";

/** struct termios2 of the generic Linux ABI, which alone can say any speed; 44 octets. */
const SIZE = 44;
const TCGETS2 = 0x802c_542a;
const TCSETS2 = 0x402c_542b;

const IFLAG = 0;
const OFLAG = 4;
const CFLAG = 8;
const LFLAG = 12;
const CC = 17;
const ISPEED = 36;
const OSPEED = 40;

const VTIME = 5;
const VMIN = 6;

const IGNBRK = 0o1;
const IGNPAR = 0o4;
const ISTRIP = 0o40;

const CBAUD = 0o010017;
const BOTHER = 0o010000;
const CSIZE = 0o60;
const CS8 = 0o60;
const CSTOPB = 0o100;
const CREAD = 0o200;
const PARENB = 0o400;
const HUPCL = 0o2000;
const CLOCAL = 0o4000;
const IBSHIFT = 16;
const CMSPAR = 0o10000000000;
const CRTSCTS = 0o20000000000;

const littleEndian = new Uint8Array(new Uint16Array([1]).buffer)[0] === 1;

/** The settings of a terminal line, in memory of its own. */
export class Termios {
  readonly #memory: NativeBuffer = nativeBuffer(SIZE);

  /** @throws EqlError SYSTEM_CALL_FAILED: not a terminal, or hung up */
  static get(fd: number, name: string): Termios {
    const settings = new Termios();
    check(ioctl(fd, TCGETS2, settings.#memory.address), `reading the settings of ${name}`);
    return settings;
  }

  /** Takes effect at once; what waits for transmission is not waited for. Returns 0 or a negated errno. */
  set(fd: number): number {
    return ioctl(fd, TCSETS2, this.#memory.address);
  }

  /** Reads them anew. Returns 0 or a negated errno. */
  refresh(fd: number): number {
    return ioctl(fd, TCGETS2, this.#memory.address);
  }

  get inputSpeed(): number {
    return this.#read(ISPEED);
  }

  get outputSpeed(): number {
    return this.#read(OSPEED);
  }

  get rtscts(): boolean {
    return (this.#read(CFLAG) & CRTSCTS) !== 0;
  }

  /** Whether a line whose carrier is lost has hung up. */
  get mindsCarrier(): boolean {
    return (this.#read(CFLAG) & CLOCAL) === 0;
  }

  /** Eight data bits, no parity, one stop bit, and every octet as it is. */
  get raw8n1(): boolean {
    const wrong = (this.#read(CFLAG) ^ CS8) & (CSIZE | CSTOPB | PARENB);
    return wrong === 0 && this.#read(IFLAG) === 0 && this.#read(LFLAG) === 0 && (this.#read(OFLAG) & 1) === 0;
  }

  /**
   * No echo, no editing, no signals, no translation; 8N1; the carrier is ignored; a read returns from one octet on.
   * The last close drops DTR, so that a modem hangs up even when its user was killed.
   */
  makeRaw(): void {
    this.#write(IFLAG, 0);
    this.#write(OFLAG, 0);
    this.#write(LFLAG, 0);
    const cleared = CSIZE | CSTOPB | PARENB | CMSPAR | CRTSCTS;
    this.#write(CFLAG, (this.#read(CFLAG) & ~cleared) | CS8 | CREAD | CLOCAL | HUPCL);
    this.#memory.octets[CC + VMIN] = 1;
    this.#memory.octets[CC + VTIME] = 0;
  }

  /**
   * For a dialogue with a modem: no echo, no editing, no signals, no translation, and no eighth bit, which may be one of
   * parity. Speed and flow control stay as they are.
   */
  makePlain(): void {
    this.#write(IFLAG, IGNBRK | IGNPAR | ISTRIP);
    this.#write(OFLAG, 0);
    this.#write(LFLAG, 0);
    this.#memory.octets[CC + VMIN] = 1;
    this.#memory.octets[CC + VTIME] = 0;
  }

  setRtscts(on: boolean): void {
    this.#write(CFLAG, on ? this.#read(CFLAG) | CRTSCTS : this.#read(CFLAG) & ~CRTSCTS);
  }

  /** Whether a line whose carrier is lost has hung up. */
  setCarrier(minded: boolean): void {
    this.#write(CFLAG, minded ? this.#read(CFLAG) & ~CLOCAL : this.#read(CFLAG) | CLOCAL);
  }

  /** Any speed the driver can make, in bits per second, both ways. */
  setSpeed(bps: number): void {
    const bothWays = CBAUD | (CBAUD << IBSHIFT);
    this.#write(CFLAG, (this.#read(CFLAG) & ~bothWays) | BOTHER | (BOTHER << IBSHIFT));
    this.#write(ISPEED, bps);
    this.#write(OSPEED, bps);
  }

  #read(offset: number): number {
    return this.#memory.view.getUint32(offset, littleEndian);
  }

  #write(offset: number, value: number): void {
    this.#memory.view.setUint32(offset, value >>> 0, littleEndian);
  }
}
