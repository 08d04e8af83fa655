import { ActiveBackup } from "../../src/scheduler/active-backup.ts";
import { EarliestArrival } from "../../src/scheduler/earliest-arrival.ts";
import { Eql1995 } from "../../src/scheduler/eql-1995.ts";
import { RoundRobin } from "../../src/scheduler/round-robin.ts";
import { Weighted } from "../../src/scheduler/weighted.ts";
import { describeScheduler } from "./compliance.ts";

describeScheduler("earliest-arrival", () => new EarliestArrival());
describeScheduler("eql-1995", () => new Eql1995());
describeScheduler("round-robin", () => new RoundRobin());
describeScheduler("weighted", () => new Weighted());
describeScheduler("active-backup", () => new ActiveBackup());
