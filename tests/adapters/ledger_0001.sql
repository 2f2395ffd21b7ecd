-- A home's ledger as revision 0001 shaped it (commit 64a6792), with rows in every table.
BEGIN TRANSACTION;
CREATE TABLE approvals (
	id INTEGER NOT NULL, 
	kind VARCHAR(16) NOT NULL, 
	subject VARCHAR(200) NOT NULL, 
	step INTEGER NOT NULL, 
	name VARCHAR(80) NOT NULL, 
	who VARCHAR(200) NOT NULL, 
	person VARCHAR(200) NOT NULL, 
	called VARCHAR(200) NOT NULL, 
	how VARCHAR(16) NOT NULL, 
	"key" VARCHAR(200) NOT NULL, 
	statement TEXT NOT NULL, 
	signature TEXT NOT NULL, 
	note TEXT NOT NULL, 
	saw JSON NOT NULL, 
	at DATETIME NOT NULL, 
	PRIMARY KEY (id), 
	CONSTRAINT approvals_once UNIQUE (subject, step, person, how, "key")
);
INSERT INTO "approvals" VALUES(1,'release','sha256:2eeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeee',0,'chat','cleo@example.invalid','cleo@example.invalid','Cleo','signed','SHA256:abc','I agree','signature','fine','{"accuracy": 0.9}','2026-03-01 12:00:00.000000');
INSERT INTO "approvals" VALUES(2,'decision','shop/retrain/2',-1,'retrain','ann@example.invalid','ann@example.invalid','','unsigned','','','','','{}','2026-03-01 12:00:00.000000');
CREATE TABLE artefacts (
	digest VARCHAR(80) NOT NULL, 
	kind VARCHAR(32) NOT NULL, 
	bytes BIGINT NOT NULL, 
	meta JSON NOT NULL, 
	created DATETIME NOT NULL, 
	PRIMARY KEY (digest)
);
INSERT INTO "artefacts" VALUES('sha256:9b7c60ea275b414de8ae4827d3a09fbce870fed143bfa37365fcffe9e6902736','model',19,'{}','2026-11-28 00:17:33.607017');
INSERT INTO "artefacts" VALUES('sha256:2d66dccb4c91941cb064b464978f8ee4b5cf393534135c8640ffed7c61e5a165','dataset',10052,'{"pii": {}, "quarantined": 0, "rows": {"test": 4, "train": 33, "validation": 3}}','2026-11-28 00:17:38.810943');
INSERT INTO "artefacts" VALUES('sha256:409168971aad5e32386d20dd35bda4241a22c8dcdaf2b90fc463adb9c090ce88','adapter',9,'{}','2026-11-28 00:17:38.995873');
INSERT INTO "artefacts" VALUES('sha256:c8e1c68ecbf5e7e4766c280b7cc1e43d3a0e4e721239375b7b01658c867d1a1c','report',8,'{}','2026-11-28 00:17:39.016194');
INSERT INTO "artefacts" VALUES('sha256:ab5a570737d7e67e2923a0290dde24b8fddd601f73ab0a15837a6b3412754322','dataset',11566,'{"pii": {}, "quarantined": 0, "rows": {"test": 4, "train": 34, "validation": 3}}','2026-11-28 00:17:40.537066');
INSERT INTO "artefacts" VALUES('sha256:aa06455bd80443af7e8c145e652e901f0fb579ad4d46bc5f0e31a66a59c05e96','adapter',9,'{}','2026-11-28 00:17:40.790326');
INSERT INTO "artefacts" VALUES('sha256:bcf8cf2e4582645f40a6b494a717fec5dfaf4c8fc3b8ade16d941da2d6267813','report',8,'{}','2026-11-28 00:17:40.832517');
CREATE TABLE decisions (
	id INTEGER NOT NULL, 
	"key" VARCHAR(200) NOT NULL, 
	project VARCHAR(80) NOT NULL, 
	"trigger" VARCHAR(80) NOT NULL, 
	at DATETIME NOT NULL, 
	state VARCHAR(16) NOT NULL, 
	reason TEXT NOT NULL, 
	numbers JSON NOT NULL, 
	offsets JSON NOT NULL, 
	targets JSON NOT NULL, 
	run VARCHAR(64) NOT NULL, 
	"by" VARCHAR(200) NOT NULL, 
	message TEXT NOT NULL, 
	updated DATETIME NOT NULL, 
	PRIMARY KEY (id), 
	UNIQUE ("key")
);
INSERT INTO "decisions" VALUES(1,'shop/retrain/1','shop','retrain','2026-03-01 12:00:00.000000','started','35 of 30 corrections','{"corrections": 35}','{"chat.feedback/0": 2}','["rows"]','run-1','','','2026-03-01 12:00:00.000000');
INSERT INTO "decisions" VALUES(2,'shop/retrain/2','shop','retrain','2026-03-01 12:00:00.000000','asked','12 of 30 corrections','{"corrections": 12}','{"chat.feedback/0": 2}','["rows"]','','','','2026-03-01 12:00:00.000000');
INSERT INTO "decisions" VALUES(3,'sync:3da5f307e183f56fb84869e70b2e8063ef057cc0','shop','@sync','2026-03-01 12:00:00.000000','decided','the commit changes rows','{}','{}','["rows"]','','','','2026-03-01 12:00:00.000000');
CREATE TABLE feedback (
	seq INTEGER NOT NULL, 
	event_id VARCHAR(200) NOT NULL, 
	source VARCHAR(200) NOT NULL, 
	topic VARCHAR(249) NOT NULL, 
	partition INTEGER NOT NULL, 
	"offset" BIGINT NOT NULL, 
	time DOUBLE NOT NULL, 
	arrived DOUBLE NOT NULL, 
	response_id VARCHAR(200) NOT NULL, 
	kind VARCHAR(16) NOT NULL, 
	value DOUBLE, 
	rating DOUBLE, 
	comment TEXT, 
	output TEXT, 
	over VARCHAR(200), 
	subject VARCHAR(200), 
	consent BOOLEAN NOT NULL, 
	late BOOLEAN NOT NULL, 
	state VARCHAR(8) NOT NULL, 
	deadline DOUBLE NOT NULL, 
	raw BLOB, 
	headers TEXT, 
	dead_letter VARCHAR(249), 
	service VARCHAR(200), 
	release VARCHAR(200), 
	inference BIGINT, 
	inference_partition INTEGER, 
	inference_offset BIGINT, 
	PRIMARY KEY (seq)
);
INSERT INTO "feedback" VALUES(1,'c1','/app','chat.feedback',0,0,1772366400.0,1772366400.0,'r1','correction',NULL,NULL,NULL,'"lost"',NULL,'a97a9f1e723b521e652c16e1d782546d',1,0,'joined',1772370000.0,NULL,NULL,NULL,'chat','sha256:1eeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeee',1,0,0);
INSERT INTO "feedback" VALUES(2,'c2','/app','chat.feedback',0,1,1772366400.0,1772366400.0,'r2','correction',NULL,NULL,NULL,'"lost"',NULL,'a97a9f1e723b521e652c16e1d782546d',1,0,'joined',1772370000.0,NULL,NULL,NULL,'chat','sha256:2eeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeee',2,0,1);
INSERT INTO "feedback" VALUES(3,'f99','/app','chat.feedback',0,2,1772366400.0,1772366400.0,'r99','thumbs',0.0,0.0,NULL,NULL,NULL,'u99',0,0,'waiting',1772370000.0,X'7B22726573706F6E73655F6964223A22723939222C226B696E64223A227468756D6273222C2276616C7565223A302E302C227375626A656374223A22753939222C22636F6E73656E74223A66616C73657D','[["ce_specversion", "1.0"], ["ce_id", "f99"], ["ce_source", "/app"], ["ce_type", "tidemill.feedback.v1"], ["ce_time", "2026-03-01T12:00:00+00:00"], ["content-type", "application/json"]]',NULL,'chat',NULL,NULL,NULL,NULL);
CREATE TABLE inference (
	seq INTEGER NOT NULL, 
	event_id VARCHAR(200) NOT NULL, 
	source VARCHAR(200) NOT NULL, 
	topic VARCHAR(249) NOT NULL, 
	partition INTEGER NOT NULL, 
	"offset" BIGINT NOT NULL, 
	time DOUBLE NOT NULL, 
	arrived DOUBLE NOT NULL, 
	response_id VARCHAR(200) NOT NULL, 
	service VARCHAR(200) NOT NULL, 
	release VARCHAR(200) NOT NULL, 
	"commit" VARCHAR(200) NOT NULL, 
	prompt VARCHAR(200) NOT NULL, 
	subject VARCHAR(200), 
	conversation VARCHAR(200), 
	input TEXT NOT NULL, 
	output TEXT NOT NULL, 
	label VARCHAR(200), 
	tokens_in INTEGER NOT NULL, 
	tokens_out INTEGER NOT NULL, 
	latency DOUBLE NOT NULL, 
	cached BOOLEAN NOT NULL, 
	arm VARCHAR(200) NOT NULL, 
	error TEXT, 
	PRIMARY KEY (seq)
);
INSERT INTO "inference" VALUES(1,'i1','/server','tidemill.inference',0,0,1772366400.0,1772366400.0,'r1','chat','sha256:1eeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeee','','','a97a9f1e723b521e652c16e1d782546d',NULL,'{"text": "where is parcel 1 today"}','answer 1',NULL,0,0,0.0,0,'live',NULL);
INSERT INTO "inference" VALUES(2,'i2','/server','tidemill.inference',0,1,1772366400.0,1772366400.0,'r2','chat','sha256:2eeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeee','','','a97a9f1e723b521e652c16e1d782546d',NULL,'{"text": "where is parcel 2 today"}','answer 2',NULL,0,0,0.0,0,'live',NULL);
CREATE TABLE leases (
	name VARCHAR(200) NOT NULL, 
	owner VARCHAR(200) NOT NULL, 
	until DATETIME NOT NULL, 
	PRIMARY KEY (name)
);
INSERT INTO "leases" VALUES('controller','host:/home','2026-03-01 12:00:30.000000');
CREATE TABLE lifecycle (
	seq INTEGER NOT NULL, 
	event_id VARCHAR(200) NOT NULL, 
	source VARCHAR(200) NOT NULL, 
	topic VARCHAR(249) NOT NULL, 
	partition INTEGER NOT NULL, 
	"offset" BIGINT NOT NULL, 
	time DOUBLE NOT NULL, 
	arrived DOUBLE NOT NULL, 
	what VARCHAR(32) NOT NULL, 
	project VARCHAR(200) NOT NULL, 
	name VARCHAR(200) NOT NULL, 
	digest VARCHAR(200) NOT NULL, 
	run VARCHAR(200) NOT NULL, 
	facts TEXT NOT NULL, 
	PRIMARY KEY (seq)
);
INSERT INTO "lifecycle" VALUES(1,'01a21f83cea501955a26e1f8609e9f2f','/services/chat','tidemill.lifecycle',0,0,1772366400.0,1772366400.0,'release-made','shop','out','sha256:2eeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeee','','{"percent": 100}');
CREATE TABLE lineage_datasets (
	id INTEGER NOT NULL, 
	digest VARCHAR(80) NOT NULL, 
	rows INTEGER NOT NULL, 
	from_feedback INTEGER NOT NULL, 
	PRIMARY KEY (id), 
	UNIQUE (digest)
);
INSERT INTO "lineage_datasets" VALUES(1,'sha256:2d66dccb4c91941cb064b464978f8ee4b5cf393534135c8640ffed7c61e5a165',40,0);
INSERT INTO "lineage_datasets" VALUES(2,'sha256:ab5a570737d7e67e2923a0290dde24b8fddd601f73ab0a15837a6b3412754322',41,1);
CREATE TABLE lineage_edges (
	child VARCHAR(96) NOT NULL, 
	parent VARCHAR(96) NOT NULL, 
	role VARCHAR(200) NOT NULL, 
	PRIMARY KEY (child, parent, role)
)
 WITHOUT ROWID

;
INSERT INTO "lineage_edges" VALUES('making:1','commit:3da5f307e183f56fb84869e70b2e8063ef057cc0','commit');
INSERT INTO "lineage_edges" VALUES('making:2','commit:3da5f307e183f56fb84869e70b2e8063ef057cc0','commit');
INSERT INTO "lineage_edges" VALUES('making:3','commit:3da5f307e183f56fb84869e70b2e8063ef057cc0','commit');
INSERT INTO "lineage_edges" VALUES('making:4','commit:3da5f307e183f56fb84869e70b2e8063ef057cc0','commit');
INSERT INTO "lineage_edges" VALUES('making:5','commit:3da5f307e183f56fb84869e70b2e8063ef057cc0','commit');
INSERT INTO "lineage_edges" VALUES('making:6','commit:3da5f307e183f56fb84869e70b2e8063ef057cc0','commit');
INSERT INTO "lineage_edges" VALUES('making:7','commit:3da5f307e183f56fb84869e70b2e8063ef057cc0','commit');
INSERT INTO "lineage_edges" VALUES('making:8','commit:3da5f307e183f56fb84869e70b2e8063ef057cc0','commit');
INSERT INTO "lineage_edges" VALUES('sha256:1eeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeee','commit:3da5f307e183f56fb84869e70b2e8063ef057cc0','commit');
INSERT INTO "lineage_edges" VALUES('sha256:2eeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeee','commit:3da5f307e183f56fb84869e70b2e8063ef057cc0','commit');
INSERT INTO "lineage_edges" VALUES('sha256:2d66dccb4c91941cb064b464978f8ee4b5cf393534135c8640ffed7c61e5a165','making:1','output');
INSERT INTO "lineage_edges" VALUES('sha256:9b7c60ea275b414de8ae4827d3a09fbce870fed143bfa37365fcffe9e6902736','making:2','output');
INSERT INTO "lineage_edges" VALUES('sha256:409168971aad5e32386d20dd35bda4241a22c8dcdaf2b90fc463adb9c090ce88','making:3','output');
INSERT INTO "lineage_edges" VALUES('sha256:c8e1c68ecbf5e7e4766c280b7cc1e43d3a0e4e721239375b7b01658c867d1a1c','making:4','output');
INSERT INTO "lineage_edges" VALUES('sha256:ab5a570737d7e67e2923a0290dde24b8fddd601f73ab0a15837a6b3412754322','making:5','output');
INSERT INTO "lineage_edges" VALUES('sha256:9b7c60ea275b414de8ae4827d3a09fbce870fed143bfa37365fcffe9e6902736','making:6','output');
INSERT INTO "lineage_edges" VALUES('sha256:aa06455bd80443af7e8c145e652e901f0fb579ad4d46bc5f0e31a66a59c05e96','making:7','output');
INSERT INTO "lineage_edges" VALUES('sha256:bcf8cf2e4582645f40a6b494a717fec5dfaf4c8fc3b8ade16d941da2d6267813','making:8','output');
INSERT INTO "lineage_edges" VALUES('making:3','sha256:2d66dccb4c91941cb064b464978f8ee4b5cf393534135c8640ffed7c61e5a165','rows');
INSERT INTO "lineage_edges" VALUES('making:4','sha256:2d66dccb4c91941cb064b464978f8ee4b5cf393534135c8640ffed7c61e5a165','rows');
INSERT INTO "lineage_edges" VALUES('sha256:1eeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeee','sha256:2d66dccb4c91941cb064b464978f8ee4b5cf393534135c8640ffed7c61e5a165','rows');
INSERT INTO "lineage_edges" VALUES('making:4','sha256:409168971aad5e32386d20dd35bda4241a22c8dcdaf2b90fc463adb9c090ce88','tuned');
INSERT INTO "lineage_edges" VALUES('sha256:1eeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeee','sha256:409168971aad5e32386d20dd35bda4241a22c8dcdaf2b90fc463adb9c090ce88','tuned');
INSERT INTO "lineage_edges" VALUES('making:3','sha256:9b7c60ea275b414de8ae4827d3a09fbce870fed143bfa37365fcffe9e6902736','base');
INSERT INTO "lineage_edges" VALUES('making:7','sha256:9b7c60ea275b414de8ae4827d3a09fbce870fed143bfa37365fcffe9e6902736','base');
INSERT INTO "lineage_edges" VALUES('sha256:1eeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeee','sha256:9b7c60ea275b414de8ae4827d3a09fbce870fed143bfa37365fcffe9e6902736','base');
INSERT INTO "lineage_edges" VALUES('sha256:2eeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeee','sha256:9b7c60ea275b414de8ae4827d3a09fbce870fed143bfa37365fcffe9e6902736','base');
INSERT INTO "lineage_edges" VALUES('making:8','sha256:aa06455bd80443af7e8c145e652e901f0fb579ad4d46bc5f0e31a66a59c05e96','tuned');
INSERT INTO "lineage_edges" VALUES('sha256:2eeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeee','sha256:aa06455bd80443af7e8c145e652e901f0fb579ad4d46bc5f0e31a66a59c05e96','tuned');
INSERT INTO "lineage_edges" VALUES('making:7','sha256:ab5a570737d7e67e2923a0290dde24b8fddd601f73ab0a15837a6b3412754322','rows');
INSERT INTO "lineage_edges" VALUES('making:8','sha256:ab5a570737d7e67e2923a0290dde24b8fddd601f73ab0a15837a6b3412754322','rows');
INSERT INTO "lineage_edges" VALUES('sha256:2eeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeee','sha256:ab5a570737d7e67e2923a0290dde24b8fddd601f73ab0a15837a6b3412754322','rows');
INSERT INTO "lineage_edges" VALUES('sha256:2eeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeee','sha256:bcf8cf2e4582645f40a6b494a717fec5dfaf4c8fc3b8ade16d941da2d6267813','judged');
INSERT INTO "lineage_edges" VALUES('sha256:1eeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeee','sha256:c8e1c68ecbf5e7e4766c280b7cc1e43d3a0e4e721239375b7b01658c867d1a1c','judged');
INSERT INTO "lineage_edges" VALUES('making:2','spec:sha256:5555555555555555555555555555555555555555555555555555555555555555','base');
INSERT INTO "lineage_edges" VALUES('making:3','spec:sha256:5555555555555555555555555555555555555555555555555555555555555555','tuned');
INSERT INTO "lineage_edges" VALUES('making:4','spec:sha256:5555555555555555555555555555555555555555555555555555555555555555','judged');
INSERT INTO "lineage_edges" VALUES('making:6','spec:sha256:5555555555555555555555555555555555555555555555555555555555555555','base');
INSERT INTO "lineage_edges" VALUES('making:7','spec:sha256:5555555555555555555555555555555555555555555555555555555555555555','tuned');
INSERT INTO "lineage_edges" VALUES('making:8','spec:sha256:5555555555555555555555555555555555555555555555555555555555555555','judged');
INSERT INTO "lineage_edges" VALUES('sha256:1eeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeee','spec:sha256:5555555555555555555555555555555555555555555555555555555555555555','tuned');
INSERT INTO "lineage_edges" VALUES('sha256:2eeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeee','spec:sha256:5555555555555555555555555555555555555555555555555555555555555555','tuned');
INSERT INTO "lineage_edges" VALUES('making:1','spec:sha256:db667bece283b007cffd7a052dafa8022756286386a47a8cd4ce611dcc1c85f3','rows');
INSERT INTO "lineage_edges" VALUES('making:5','spec:sha256:db667bece283b007cffd7a052dafa8022756286386a47a8cd4ce611dcc1c85f3','rows');
INSERT INTO "lineage_edges" VALUES('sha256:1eeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeee','spec:sha256:db667bece283b007cffd7a052dafa8022756286386a47a8cd4ce611dcc1c85f3','rows');
INSERT INTO "lineage_edges" VALUES('sha256:2eeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeee','spec:sha256:db667bece283b007cffd7a052dafa8022756286386a47a8cd4ce611dcc1c85f3','rows');
CREATE TABLE lineage_held (
	"row" INTEGER NOT NULL, 
	dataset INTEGER NOT NULL, 
	split SMALLINT NOT NULL, 
	from_feedback BOOLEAN NOT NULL, 
	PRIMARY KEY ("row", dataset)
)
 WITHOUT ROWID

;
INSERT INTO "lineage_held" VALUES(-9205983082587319881,1,0,0);
INSERT INTO "lineage_held" VALUES(-9205983082587319881,2,0,0);
INSERT INTO "lineage_held" VALUES(-9145434085231770996,2,0,1);
INSERT INTO "lineage_held" VALUES(-8920698534182720234,1,2,0);
INSERT INTO "lineage_held" VALUES(-8920698534182720234,2,2,0);
INSERT INTO "lineage_held" VALUES(-8779662178369082865,1,0,0);
INSERT INTO "lineage_held" VALUES(-8779662178369082865,2,0,0);
INSERT INTO "lineage_held" VALUES(-8437416112303162119,1,0,0);
INSERT INTO "lineage_held" VALUES(-8437416112303162119,2,0,0);
INSERT INTO "lineage_held" VALUES(-8117255441029554104,1,0,0);
INSERT INTO "lineage_held" VALUES(-8117255441029554104,2,0,0);
INSERT INTO "lineage_held" VALUES(-8084747279892497618,1,0,0);
INSERT INTO "lineage_held" VALUES(-8084747279892497618,2,0,0);
INSERT INTO "lineage_held" VALUES(-7860759909927435527,1,1,0);
INSERT INTO "lineage_held" VALUES(-7860759909927435527,2,1,0);
INSERT INTO "lineage_held" VALUES(-6921869776344552190,1,0,0);
INSERT INTO "lineage_held" VALUES(-6921869776344552190,2,0,0);
INSERT INTO "lineage_held" VALUES(-6843232569974928636,1,0,0);
INSERT INTO "lineage_held" VALUES(-6843232569974928636,2,0,0);
INSERT INTO "lineage_held" VALUES(-6053315948083605938,1,0,0);
INSERT INTO "lineage_held" VALUES(-6053315948083605938,2,0,0);
INSERT INTO "lineage_held" VALUES(-5930283585156272462,1,0,0);
INSERT INTO "lineage_held" VALUES(-5930283585156272462,2,0,0);
INSERT INTO "lineage_held" VALUES(-5755199568931400959,1,0,0);
INSERT INTO "lineage_held" VALUES(-5755199568931400959,2,0,0);
INSERT INTO "lineage_held" VALUES(-4926766591619101435,1,0,0);
INSERT INTO "lineage_held" VALUES(-4926766591619101435,2,0,0);
INSERT INTO "lineage_held" VALUES(-3002852632947169963,1,1,0);
INSERT INTO "lineage_held" VALUES(-3002852632947169963,2,1,0);
INSERT INTO "lineage_held" VALUES(-2468851840856734759,1,0,0);
INSERT INTO "lineage_held" VALUES(-2468851840856734759,2,0,0);
INSERT INTO "lineage_held" VALUES(-1493887575499277734,1,0,0);
INSERT INTO "lineage_held" VALUES(-1493887575499277734,2,0,0);
INSERT INTO "lineage_held" VALUES(-1358546296798822787,1,0,0);
INSERT INTO "lineage_held" VALUES(-1358546296798822787,2,0,0);
INSERT INTO "lineage_held" VALUES(-720959566521925147,1,0,0);
INSERT INTO "lineage_held" VALUES(-720959566521925147,2,0,0);
INSERT INTO "lineage_held" VALUES(-428092207286228378,1,1,0);
INSERT INTO "lineage_held" VALUES(-428092207286228378,2,1,0);
INSERT INTO "lineage_held" VALUES(-21646649540352002,1,0,0);
INSERT INTO "lineage_held" VALUES(-21646649540352002,2,0,0);
INSERT INTO "lineage_held" VALUES(878649717506895220,1,0,0);
INSERT INTO "lineage_held" VALUES(878649717506895220,2,0,0);
INSERT INTO "lineage_held" VALUES(1548826084841107681,1,0,0);
INSERT INTO "lineage_held" VALUES(1548826084841107681,2,0,0);
INSERT INTO "lineage_held" VALUES(1739781485149084898,1,0,0);
INSERT INTO "lineage_held" VALUES(1739781485149084898,2,0,0);
INSERT INTO "lineage_held" VALUES(1999174015382167703,1,0,0);
INSERT INTO "lineage_held" VALUES(1999174015382167703,2,0,0);
INSERT INTO "lineage_held" VALUES(2053404006206627692,1,0,0);
INSERT INTO "lineage_held" VALUES(2053404006206627692,2,0,0);
INSERT INTO "lineage_held" VALUES(2083146937013663777,1,0,0);
INSERT INTO "lineage_held" VALUES(2083146937013663777,2,0,0);
INSERT INTO "lineage_held" VALUES(2092730187340750545,1,2,0);
INSERT INTO "lineage_held" VALUES(2092730187340750545,2,2,0);
INSERT INTO "lineage_held" VALUES(2341607103553130703,1,0,0);
INSERT INTO "lineage_held" VALUES(2341607103553130703,2,0,0);
INSERT INTO "lineage_held" VALUES(2570348827242179648,1,2,0);
INSERT INTO "lineage_held" VALUES(2570348827242179648,2,2,0);
INSERT INTO "lineage_held" VALUES(4017698889817907038,1,0,0);
INSERT INTO "lineage_held" VALUES(4017698889817907038,2,0,0);
INSERT INTO "lineage_held" VALUES(4091013206046267239,1,0,0);
INSERT INTO "lineage_held" VALUES(4091013206046267239,2,0,0);
INSERT INTO "lineage_held" VALUES(5329255425706857958,1,0,0);
INSERT INTO "lineage_held" VALUES(5329255425706857958,2,0,0);
INSERT INTO "lineage_held" VALUES(5509591085249074469,1,0,0);
INSERT INTO "lineage_held" VALUES(5509591085249074469,2,0,0);
INSERT INTO "lineage_held" VALUES(5588698671152847912,1,0,0);
INSERT INTO "lineage_held" VALUES(5588698671152847912,2,0,0);
INSERT INTO "lineage_held" VALUES(5747312951498156458,1,2,0);
INSERT INTO "lineage_held" VALUES(5747312951498156458,2,2,0);
INSERT INTO "lineage_held" VALUES(6228298470620594827,1,0,0);
INSERT INTO "lineage_held" VALUES(6228298470620594827,2,0,0);
INSERT INTO "lineage_held" VALUES(6788890138890226841,1,0,0);
INSERT INTO "lineage_held" VALUES(6788890138890226841,2,0,0);
INSERT INTO "lineage_held" VALUES(6829883779917323857,1,0,0);
INSERT INTO "lineage_held" VALUES(6829883779917323857,2,0,0);
INSERT INTO "lineage_held" VALUES(8171224596369164445,1,0,0);
INSERT INTO "lineage_held" VALUES(8171224596369164445,2,0,0);
INSERT INTO "lineage_held" VALUES(8875689898226000390,1,0,0);
INSERT INTO "lineage_held" VALUES(8875689898226000390,2,0,0);
CREATE TABLE lineage_marks (
	name VARCHAR(32) NOT NULL, 
	PRIMARY KEY (name)
);
INSERT INTO "lineage_marks" VALUES('edges');
CREATE TABLE lineage_rows (
	"row" INTEGER NOT NULL, 
	source VARCHAR(400) NOT NULL, 
	line INTEGER, 
	event VARCHAR(200), 
	place VARCHAR(300), 
	answer VARCHAR(200), 
	subject BIGINT, 
	PRIMARY KEY ("row")
);
INSERT INTO "lineage_rows" VALUES(-9205983082587319881,'rows.jsonl',16,NULL,NULL,NULL,NULL);
INSERT INTO "lineage_rows" VALUES(-9145434085231770996,'feedback:said',NULL,'c1','chat.feedback/0/0','r1',-6122000168120120075);
INSERT INTO "lineage_rows" VALUES(-8920698534182720234,'rows.jsonl',20,NULL,NULL,NULL,NULL);
INSERT INTO "lineage_rows" VALUES(-8779662178369082865,'rows.jsonl',15,NULL,NULL,NULL,NULL);
INSERT INTO "lineage_rows" VALUES(-8437416112303162119,'rows.jsonl',35,NULL,NULL,NULL,NULL);
INSERT INTO "lineage_rows" VALUES(-8117255441029554104,'rows.jsonl',21,NULL,NULL,NULL,NULL);
INSERT INTO "lineage_rows" VALUES(-8084747279892497618,'rows.jsonl',4,NULL,NULL,NULL,NULL);
INSERT INTO "lineage_rows" VALUES(-7860759909927435527,'rows.jsonl',39,NULL,NULL,NULL,NULL);
INSERT INTO "lineage_rows" VALUES(-6921869776344552190,'rows.jsonl',1,NULL,NULL,NULL,NULL);
INSERT INTO "lineage_rows" VALUES(-6843232569974928636,'rows.jsonl',18,NULL,NULL,NULL,NULL);
INSERT INTO "lineage_rows" VALUES(-6053315948083605938,'rows.jsonl',5,NULL,NULL,NULL,NULL);
INSERT INTO "lineage_rows" VALUES(-5930283585156272462,'rows.jsonl',2,NULL,NULL,NULL,NULL);
INSERT INTO "lineage_rows" VALUES(-5755199568931400959,'rows.jsonl',40,NULL,NULL,NULL,NULL);
INSERT INTO "lineage_rows" VALUES(-4926766591619101435,'rows.jsonl',7,NULL,NULL,NULL,NULL);
INSERT INTO "lineage_rows" VALUES(-3002852632947169963,'rows.jsonl',32,NULL,NULL,NULL,NULL);
INSERT INTO "lineage_rows" VALUES(-2468851840856734759,'rows.jsonl',17,NULL,NULL,NULL,NULL);
INSERT INTO "lineage_rows" VALUES(-1493887575499277734,'rows.jsonl',36,NULL,NULL,NULL,NULL);
INSERT INTO "lineage_rows" VALUES(-1358546296798822787,'rows.jsonl',29,NULL,NULL,NULL,NULL);
INSERT INTO "lineage_rows" VALUES(-720959566521925147,'rows.jsonl',13,NULL,NULL,NULL,NULL);
INSERT INTO "lineage_rows" VALUES(-428092207286228378,'rows.jsonl',30,NULL,NULL,NULL,NULL);
INSERT INTO "lineage_rows" VALUES(-21646649540352002,'rows.jsonl',8,NULL,NULL,NULL,NULL);
INSERT INTO "lineage_rows" VALUES(878649717506895220,'rows.jsonl',31,NULL,NULL,NULL,NULL);
INSERT INTO "lineage_rows" VALUES(1548826084841107681,'rows.jsonl',9,NULL,NULL,NULL,NULL);
INSERT INTO "lineage_rows" VALUES(1739781485149084898,'rows.jsonl',23,NULL,NULL,NULL,NULL);
INSERT INTO "lineage_rows" VALUES(1999174015382167703,'rows.jsonl',24,NULL,NULL,NULL,NULL);
INSERT INTO "lineage_rows" VALUES(2053404006206627692,'rows.jsonl',6,NULL,NULL,NULL,NULL);
INSERT INTO "lineage_rows" VALUES(2083146937013663777,'rows.jsonl',10,NULL,NULL,NULL,NULL);
INSERT INTO "lineage_rows" VALUES(2092730187340750545,'rows.jsonl',37,NULL,NULL,NULL,NULL);
INSERT INTO "lineage_rows" VALUES(2341607103553130703,'rows.jsonl',34,NULL,NULL,NULL,NULL);
INSERT INTO "lineage_rows" VALUES(2570348827242179648,'rows.jsonl',12,NULL,NULL,NULL,NULL);
INSERT INTO "lineage_rows" VALUES(4017698889817907038,'rows.jsonl',33,NULL,NULL,NULL,NULL);
INSERT INTO "lineage_rows" VALUES(4091013206046267239,'rows.jsonl',25,NULL,NULL,NULL,NULL);
INSERT INTO "lineage_rows" VALUES(5329255425706857958,'rows.jsonl',19,NULL,NULL,NULL,NULL);
INSERT INTO "lineage_rows" VALUES(5509591085249074469,'rows.jsonl',3,NULL,NULL,NULL,NULL);
INSERT INTO "lineage_rows" VALUES(5588698671152847912,'rows.jsonl',26,NULL,NULL,NULL,NULL);
INSERT INTO "lineage_rows" VALUES(5747312951498156458,'rows.jsonl',28,NULL,NULL,NULL,NULL);
INSERT INTO "lineage_rows" VALUES(6228298470620594827,'rows.jsonl',11,NULL,NULL,NULL,NULL);
INSERT INTO "lineage_rows" VALUES(6788890138890226841,'rows.jsonl',27,NULL,NULL,NULL,NULL);
INSERT INTO "lineage_rows" VALUES(6829883779917323857,'rows.jsonl',22,NULL,NULL,NULL,NULL);
INSERT INTO "lineage_rows" VALUES(8171224596369164445,'rows.jsonl',14,NULL,NULL,NULL,NULL);
INSERT INTO "lineage_rows" VALUES(8875689898226000390,'rows.jsonl',38,NULL,NULL,NULL,NULL);
CREATE TABLE looks (
	project VARCHAR(80) NOT NULL, 
	"trigger" VARCHAR(80) NOT NULL, 
	start DATETIME NOT NULL, 
	at DATETIME NOT NULL, 
	fire BOOLEAN NOT NULL, 
	blocked_by VARCHAR(16), 
	reason TEXT NOT NULL, 
	numbers JSON NOT NULL, 
	held_since DATETIME, 
	PRIMARY KEY (project, "trigger")
);
INSERT INTO "looks" VALUES('shop','retrain','2026-03-01 12:00:00.000000','2026-03-01 12:00:00.000000',0,'condition','12 of 30 corrections','{"corrections": 12}','2026-03-01 12:00:00.000000');
CREATE TABLE makings (
	id INTEGER NOT NULL, 
	project VARCHAR(80) NOT NULL, 
	name VARCHAR(80) NOT NULL, 
	kind VARCHAR(32) NOT NULL, 
	version VARCHAR(80) NOT NULL, 
	spec_digest VARCHAR(80) NOT NULL, 
	artefact VARCHAR(80) NOT NULL, 
	steps JSON NOT NULL, 
	inputs JSON NOT NULL, 
	"commit" JSON NOT NULL, 
	tools JSON NOT NULL, 
	measures JSON NOT NULL, 
	checks JSON NOT NULL, 
	facts JSON NOT NULL, 
	started DATETIME NOT NULL, 
	seconds FLOAT NOT NULL, 
	peak_bytes BIGINT NOT NULL, 
	run VARCHAR(64) NOT NULL, 
	PRIMARY KEY (id)
);
INSERT INTO "makings" VALUES(1,'shop','rows','Dataset','sha256:c83e6221aa2f9f516f54641da373fc12674e3725907ce82224efc5b9529075de','sha256:db667bece283b007cffd7a052dafa8022756286386a47a8cd4ce611dcc1c85f3','sha256:2d66dccb4c91941cb064b464978f8ee4b5cf393534135c8640ffed7c61e5a165','{}','{}','{"sha": "3da5f307e183f56fb84869e70b2e8063ef057cc0", "author": "Ben <ben@example.invalid>", "when": "2026-02-01T00:00:00+00:00", "subject": "Deal the rows anew", "dirty": false}','{"tidemill": "0.1.0", "torch": "2.13.0+cpu", "transformers": "4.57.6", "peft": "0.21.2", "optimum": "2.1.0", "optimum-onnx": "0.1.0", "onnxruntime": "1.32.0", "onnxruntime-genai": "0.11.4", "tensorrt-rtx-cu13-libs": "1.7.1.116", "great-expectations": "1.24.1", "dvc": "3.67.1", "numpy": "2.4.6", "pyarrow": "26.0.1"}','[]','[{"name": "minimum_rows", "passed": true, "message": "40 rows, at least 1 are needed", "blocking": true, "facts": {"rows": 40}}, {"name": "leakage", "passed": true, "message": "0 train rows ask what a test row asks; 0 were kept out", "blocking": true, "facts": {"leaking": 0, "kept_out": 0}}]','{"rows": {"train": 33, "validation": 3, "test": 4}, "quarantined": 0, "pii": {}, "rows_total": 40, "duplicates": {"exact": 0, "near": 0}, "capped_subjects": 0, "offsets": {}, "seconds": 2.52}','2026-11-28 00:17:33.763688',5.16424393500005862733e+00,224858112,'');
INSERT INTO "makings" VALUES(2,'shop','base','Model','sha256:9b7c60ea275b414de8ae4827d3a09fbce870fed143bfa37365fcffe9e6902736','sha256:5555555555555555555555555555555555555555555555555555555555555555','sha256:9b7c60ea275b414de8ae4827d3a09fbce870fed143bfa37365fcffe9e6902736','{}','{}','{"sha": "3da5f307e183f56fb84869e70b2e8063ef057cc0", "author": "Ben <ben@example.invalid>", "when": "2026-03-01T12:00:00+00:00", "subject": "Deal the rows anew", "dirty": false}','{"tidemill": "0"}','[]','[]','{}','2026-03-01 12:00:00.000000',1.0,0,'');
INSERT INTO "makings" VALUES(3,'shop','tuned','FineTune','sha256:409168971aad5e32386d20dd35bda4241a22c8dcdaf2b90fc463adb9c090ce88','sha256:5555555555555555555555555555555555555555555555555555555555555555','sha256:409168971aad5e32386d20dd35bda4241a22c8dcdaf2b90fc463adb9c090ce88','{}','{"base": "sha256:9b7c60ea275b414de8ae4827d3a09fbce870fed143bfa37365fcffe9e6902736", "rows": "sha256:2d66dccb4c91941cb064b464978f8ee4b5cf393534135c8640ffed7c61e5a165"}','{"sha": "3da5f307e183f56fb84869e70b2e8063ef057cc0", "author": "Ben <ben@example.invalid>", "when": "2026-03-01T12:00:00+00:00", "subject": "Deal the rows anew", "dirty": false}','{"tidemill": "0"}','[]','[]','{}','2026-03-01 12:00:00.000000',1.0,0,'');
INSERT INTO "makings" VALUES(4,'shop','judged','Evaluation','sha256:c8e1c68ecbf5e7e4766c280b7cc1e43d3a0e4e721239375b7b01658c867d1a1c','sha256:5555555555555555555555555555555555555555555555555555555555555555','sha256:c8e1c68ecbf5e7e4766c280b7cc1e43d3a0e4e721239375b7b01658c867d1a1c','{}','{"tuned": "sha256:409168971aad5e32386d20dd35bda4241a22c8dcdaf2b90fc463adb9c090ce88", "rows": "sha256:2d66dccb4c91941cb064b464978f8ee4b5cf393534135c8640ffed7c61e5a165"}','{"sha": "3da5f307e183f56fb84869e70b2e8063ef057cc0", "author": "Ben <ben@example.invalid>", "when": "2026-03-01T12:00:00+00:00", "subject": "Deal the rows anew", "dirty": false}','{"tidemill": "0"}','[]','[]','{}','2026-03-01 12:00:00.000000',1.0,0,'');
INSERT INTO "makings" VALUES(5,'shop','rows','Dataset','sha256:5f70e11fcec5af883d957090768ff4ddd192126853c1cc269a676a747219ac99','sha256:db667bece283b007cffd7a052dafa8022756286386a47a8cd4ce611dcc1c85f3','sha256:ab5a570737d7e67e2923a0290dde24b8fddd601f73ab0a15837a6b3412754322','{}','{}','{"sha": "3da5f307e183f56fb84869e70b2e8063ef057cc0", "author": "Ben <ben@example.invalid>", "when": "2026-02-01T00:00:00+00:00", "subject": "Deal the rows anew", "dirty": false}','{"tidemill": "0.1.0", "torch": "2.13.0+cpu", "transformers": "4.57.6", "peft": "0.21.2", "optimum": "2.1.0", "optimum-onnx": "0.1.0", "onnxruntime": "1.32.0", "onnxruntime-genai": "0.11.4", "tensorrt-rtx-cu13-libs": "1.7.1.116", "great-expectations": "1.24.1", "dvc": "3.67.1", "numpy": "2.4.6", "pyarrow": "26.0.1"}','[]','[{"name": "minimum_rows", "passed": true, "message": "41 rows, at least 1 are needed", "blocking": true, "facts": {"rows": 41}}, {"name": "leakage", "passed": true, "message": "0 train rows ask what a test row asks; 0 were kept out", "blocking": true, "facts": {"leaking": 0, "kept_out": 0}}]','{"rows": {"train": 34, "validation": 3, "test": 4}, "quarantined": 0, "pii": {}, "rows_total": 41, "duplicates": {"exact": 0, "near": 0}, "capped_subjects": 0, "offsets": {"chat.feedback/0": 1, "tidemill.inference/0": 1}, "seconds": 0.15}','2026-11-28 00:17:39.428890',1.24269988199989711574e+00,227217408,'');
INSERT INTO "makings" VALUES(6,'shop','base','Model','sha256:9b7c60ea275b414de8ae4827d3a09fbce870fed143bfa37365fcffe9e6902736','sha256:5555555555555555555555555555555555555555555555555555555555555555','sha256:9b7c60ea275b414de8ae4827d3a09fbce870fed143bfa37365fcffe9e6902736','{}','{}','{"sha": "3da5f307e183f56fb84869e70b2e8063ef057cc0", "author": "Ben <ben@example.invalid>", "when": "2026-03-01T12:00:00+00:00", "subject": "Deal the rows anew", "dirty": false}','{"tidemill": "0"}','[]','[]','{}','2026-03-01 12:00:00.000000',1.0,0,'');
INSERT INTO "makings" VALUES(7,'shop','tuned','FineTune','sha256:aa06455bd80443af7e8c145e652e901f0fb579ad4d46bc5f0e31a66a59c05e96','sha256:5555555555555555555555555555555555555555555555555555555555555555','sha256:aa06455bd80443af7e8c145e652e901f0fb579ad4d46bc5f0e31a66a59c05e96','{}','{"base": "sha256:9b7c60ea275b414de8ae4827d3a09fbce870fed143bfa37365fcffe9e6902736", "rows": "sha256:ab5a570737d7e67e2923a0290dde24b8fddd601f73ab0a15837a6b3412754322"}','{"sha": "3da5f307e183f56fb84869e70b2e8063ef057cc0", "author": "Ben <ben@example.invalid>", "when": "2026-03-01T12:00:00+00:00", "subject": "Deal the rows anew", "dirty": false}','{"tidemill": "0"}','[]','[]','{}','2026-03-01 12:00:00.000000',1.0,0,'');
INSERT INTO "makings" VALUES(8,'shop','judged','Evaluation','sha256:bcf8cf2e4582645f40a6b494a717fec5dfaf4c8fc3b8ade16d941da2d6267813','sha256:5555555555555555555555555555555555555555555555555555555555555555','sha256:bcf8cf2e4582645f40a6b494a717fec5dfaf4c8fc3b8ade16d941da2d6267813','{}','{"tuned": "sha256:aa06455bd80443af7e8c145e652e901f0fb579ad4d46bc5f0e31a66a59c05e96", "rows": "sha256:ab5a570737d7e67e2923a0290dde24b8fddd601f73ab0a15837a6b3412754322"}','{"sha": "3da5f307e183f56fb84869e70b2e8063ef057cc0", "author": "Ben <ben@example.invalid>", "when": "2026-03-01T12:00:00+00:00", "subject": "Deal the rows anew", "dirty": false}','{"tidemill": "0"}','[]','[]','{}','2026-03-01 12:00:00.000000',1.0,0,'');
CREATE TABLE offsets (
	topic VARCHAR(249) NOT NULL, 
	partition INTEGER NOT NULL, 
	base BIGINT NOT NULL, 
	next BIGINT NOT NULL, 
	incarnation VARCHAR(64) NOT NULL, 
	updated DOUBLE NOT NULL, 
	PRIMARY KEY (topic, partition)
);
INSERT INTO "offsets" VALUES('tidemill.inference',0,0,2,'2f0f87fb-4f3c-4176-a59c-b280f28ee263',1772366400.0);
INSERT INTO "offsets" VALUES('chat.feedback',0,2,2,'472ae1a2-9430-43a5-8086-3c8c77cf00cb',1772366400.0);
INSERT INTO "offsets" VALUES('tidemill.lifecycle',0,0,1,'7b343e36-b506-4640-9dba-7f00b4edf1d5',1772366400.0);
CREATE TABLE quarantine (
	id INTEGER NOT NULL, 
	topic VARCHAR(249) NOT NULL, 
	partition INTEGER NOT NULL, 
	"offset" BIGINT NOT NULL, 
	"key" BLOB, 
	headers TEXT NOT NULL, 
	value BLOB NOT NULL, 
	reason TEXT NOT NULL, 
	at DOUBLE NOT NULL, 
	dead_letter VARCHAR(249), 
	PRIMARY KEY (id)
);
INSERT INTO "quarantine" VALUES(1,'chat.feedback',0,3,X'6B6579','[]',X'6E6F6E73656E7365','neither `ce_` headers nor JSON: Expecting value: line 1 column 1 (char 0)',1772366400.0,NULL);
CREATE TABLE releases (
	digest VARCHAR(80) NOT NULL, 
	project VARCHAR(80) NOT NULL, 
	service VARCHAR(80) NOT NULL, 
	record JSON NOT NULL, 
	created DATETIME NOT NULL, 
	PRIMARY KEY (digest)
);
INSERT INTO "releases" VALUES('sha256:1eeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeee','shop','chat','{"digest": "sha256:1eeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeee", "project": "shop", "service": "chat", "specs": {"rows": "sha256:db667bece283b007cffd7a052dafa8022756286386a47a8cd4ce611dcc1c85f3", "tuned": "sha256:5555555555555555555555555555555555555555555555555555555555555555"}, "artefacts": {"base": {"digest": "sha256:9b7c60ea275b414de8ae4827d3a09fbce870fed143bfa37365fcffe9e6902736", "kind": "model", "bytes": 10, "meta": {}}, "rows": {"digest": "sha256:2d66dccb4c91941cb064b464978f8ee4b5cf393534135c8640ffed7c61e5a165", "kind": "dataset", "bytes": 10, "meta": {}}, "tuned": {"digest": "sha256:409168971aad5e32386d20dd35bda4241a22c8dcdaf2b90fc463adb9c090ce88", "kind": "adapter", "bytes": 10, "meta": {}}, "judged": {"digest": "sha256:c8e1c68ecbf5e7e4766c280b7cc1e43d3a0e4e721239375b7b01658c867d1a1c", "kind": "report", "bytes": 10, "meta": {}}}, "bases": [{"name": "base", "digest": "sha256:9b7c60ea275b414de8ae4827d3a09fbce870fed143bfa37365fcffe9e6902736", "source": {}, "sha256": "cccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccc"}], "dataset": {"name": "rows", "digest": "sha256:2d66dccb4c91941cb064b464978f8ee4b5cf393534135c8640ffed7c61e5a165", "offsets": {}, "rows": {"train": 30}}, "evaluation": {"name": "judged", "digest": "sha256:c8e1c68ecbf5e7e4766c280b7cc1e43d3a0e4e721239375b7b01658c867d1a1c", "measures": [], "checks": []}, "commit": {"sha": "3da5f307e183f56fb84869e70b2e8063ef057cc0", "author": "Ben <ben@example.invalid>", "when": "2026-03-01T12:00:00+00:00", "subject": "Deal the rows anew", "dirty": false}, "seed": 1, "tools": {"tidemill": "0"}, "approved_by": [], "created": "2026-03-01T12:00:00+00:00"}','2026-11-28 00:17:39.038693');
INSERT INTO "releases" VALUES('sha256:2eeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeee','shop','chat','{"digest": "sha256:2eeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeee", "project": "shop", "service": "chat", "specs": {"rows": "sha256:db667bece283b007cffd7a052dafa8022756286386a47a8cd4ce611dcc1c85f3", "tuned": "sha256:5555555555555555555555555555555555555555555555555555555555555555"}, "artefacts": {"base": {"digest": "sha256:9b7c60ea275b414de8ae4827d3a09fbce870fed143bfa37365fcffe9e6902736", "kind": "model", "bytes": 10, "meta": {}}, "rows": {"digest": "sha256:ab5a570737d7e67e2923a0290dde24b8fddd601f73ab0a15837a6b3412754322", "kind": "dataset", "bytes": 10, "meta": {}}, "tuned": {"digest": "sha256:aa06455bd80443af7e8c145e652e901f0fb579ad4d46bc5f0e31a66a59c05e96", "kind": "adapter", "bytes": 10, "meta": {}}, "judged": {"digest": "sha256:bcf8cf2e4582645f40a6b494a717fec5dfaf4c8fc3b8ade16d941da2d6267813", "kind": "report", "bytes": 10, "meta": {}}}, "bases": [{"name": "base", "digest": "sha256:9b7c60ea275b414de8ae4827d3a09fbce870fed143bfa37365fcffe9e6902736", "source": {}, "sha256": "cccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccc"}], "dataset": {"name": "rows", "digest": "sha256:ab5a570737d7e67e2923a0290dde24b8fddd601f73ab0a15837a6b3412754322", "offsets": {}, "rows": {"train": 30}}, "evaluation": {"name": "judged", "digest": "sha256:bcf8cf2e4582645f40a6b494a717fec5dfaf4c8fc3b8ade16d941da2d6267813", "measures": [], "checks": []}, "commit": {"sha": "3da5f307e183f56fb84869e70b2e8063ef057cc0", "author": "Ben <ben@example.invalid>", "when": "2026-03-01T12:00:00+00:00", "subject": "Deal the rows anew", "dirty": false}, "seed": 1, "tools": {"tidemill": "0"}, "approved_by": ["Cleo"], "created": "2026-03-01T12:00:00+00:00"}','2026-11-28 00:17:40.856460');
CREATE TABLE remotes (
	name VARCHAR(16) NOT NULL, 
	remote TEXT NOT NULL, 
	branch VARCHAR(250) NOT NULL, 
	trouble TEXT NOT NULL, 
	at DATETIME NOT NULL, 
	PRIMARY KEY (name)
);
INSERT INTO "remotes" VALUES('followed','https://example.invalid/specs.git','main','','2026-03-01 12:00:00.000000');
CREATE TABLE rollout_steps (
	id INTEGER NOT NULL, 
	rollout INTEGER NOT NULL, 
	at DATETIME NOT NULL, 
	decision VARCHAR(16) NOT NULL, 
	percent FLOAT NOT NULL, 
	reason TEXT NOT NULL, 
	numbers JSON NOT NULL, 
	looks INTEGER NOT NULL, 
	PRIMARY KEY (id)
);
INSERT INTO "rollout_steps" VALUES(1,1,'2026-03-01 12:00:00.000000','done',100.0,'every step went well','{}',1);
INSERT INTO "rollout_steps" VALUES(2,2,'2026-03-01 12:00:00.000000','done',100.0,'every step went well','{}',1);
INSERT INTO "rollout_steps" VALUES(3,3,'2026-03-01 12:00:00.000000','advance',10.0,'step 1 of 3','{"requests": 5}',1);
INSERT INTO "rollout_steps" VALUES(4,3,'2026-03-01 12:00:02.000000','ask',10.0,'a person is asked','{}',3);
CREATE TABLE rollouts (
	id INTEGER NOT NULL, 
	service VARCHAR(80) NOT NULL, 
	release VARCHAR(80) NOT NULL, 
	previous VARCHAR(80), 
	folder VARCHAR(1024) NOT NULL, 
	spec JSON NOT NULL, 
	state VARCHAR(16) NOT NULL, 
	percent FLOAT NOT NULL, 
	walk JSON, 
	reason TEXT NOT NULL, 
	waits INTEGER NOT NULL, 
	command JSON, 
	requested DATETIME NOT NULL, 
	step_started DATETIME, 
	finished DATETIME, 
	PRIMARY KEY (id)
);
INSERT INTO "rollouts" VALUES(1,'chat','sha256:1eeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeee',NULL,'folder','{}','retired',0.0,NULL,'every step went well',0,NULL,'2026-03-01 12:00:00.000000',NULL,'2026-03-01 12:00:00.000000');
INSERT INTO "rollouts" VALUES(2,'chat','sha256:2eeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeee','sha256:1eeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeee','folder','{}','live',100.0,NULL,'every step went well',0,NULL,'2026-03-01 12:00:00.000000',NULL,'2026-03-01 12:00:00.000000');
INSERT INTO "rollouts" VALUES(3,'chat','sha256:cccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccc','sha256:2eeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeee','/srv/tidemill/home/releases/ccc','{"apiVersion": "tidemill/v1", "kind": "Rollout", "name": "out", "owner": "ann", "service": "chat"}','running',10.0,'{"candidate": "sha256:cccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccc", "live": "sha256:2eeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeee", "step_started": "2026-03-01T12:00:00+00:00", "since": "2026-03-01T12:00:00+00:00", "step": 0, "status": "running", "requests": 0, "strikes": {}, "cleared": [], "live_signals": {}, "approved_by": null, "approved_step": null}','a person is asked',1,'{"do": "promote", "by": "ann@example.invalid"}','2026-03-01 12:00:00.000000','2026-03-01 12:00:00.000000',NULL);
CREATE TABLE syncs (
	id INTEGER NOT NULL, 
	"commit" VARCHAR(80) NOT NULL, 
	branch VARCHAR(250) NOT NULL, 
	author TEXT NOT NULL, 
	subject TEXT NOT NULL, 
	state VARCHAR(16) NOT NULL, 
	refusal VARCHAR(16) NOT NULL, 
	reason TEXT NOT NULL, 
	signer TEXT NOT NULL, 
	"plan" JSON NOT NULL, 
	at DATETIME NOT NULL, 
	updated DATETIME NOT NULL, 
	PRIMARY KEY (id)
);
INSERT INTO "syncs" VALUES(1,'3da5f307e183f56fb84869e70b2e8063ef057cc0','main','Ben <ben@example.invalid>','Deal the rows anew','applied','','','','[{"project": "shop", "name": "rows", "kind": "Dataset", "state": "changed", "reason": "seed"}]','2026-03-01 12:00:00.000000','2026-03-01 12:00:00.000000');
INSERT INTO "syncs" VALUES(2,'ffffffffffffffffffffffffffffffffffffffff','main','Ann','Another','seen','','','','[]','2026-03-01 12:00:00.000000','2026-03-01 12:00:00.000000');
CREATE INDEX lineage_by_parent ON lineage_edges (parent);
CREATE INDEX lineage_rows_by_event ON lineage_rows (event) WHERE event IS NOT NULL;
CREATE INDEX lineage_rows_by_subject ON lineage_rows (subject) WHERE subject IS NOT NULL;
CREATE INDEX lineage_rows_by_answer ON lineage_rows (answer) WHERE answer IS NOT NULL;
CREATE INDEX lineage_held_feedback ON lineage_held (dataset) WHERE from_feedback;
CREATE INDEX makings_by_version ON makings (project, name, version);
CREATE INDEX makings_by_name ON makings (project, name, id);
CREATE INDEX ix_releases_service ON releases (service);
CREATE INDEX ix_releases_created ON releases (created);
CREATE INDEX ix_decisions_state ON decisions (state);
CREATE INDEX decisions_by_trigger ON decisions (project, "trigger", id);
CREATE UNIQUE INDEX inference_once ON inference (event_id, source);
CREATE INDEX inference_by_response ON inference (response_id);
CREATE INDEX inference_by_release ON inference (release, time);
CREATE INDEX inference_by_subject ON inference (subject) WHERE subject IS NOT NULL;
CREATE INDEX inference_by_service ON inference (service, time);
CREATE INDEX feedback_by_kind ON feedback (topic, kind, seq);
CREATE INDEX feedback_waiting ON feedback (response_id) WHERE state = 'waiting';
CREATE UNIQUE INDEX feedback_once ON feedback (event_id, source);
CREATE INDEX feedback_by_service ON feedback (service, arrived);
CREATE UNIQUE INDEX lifecycle_once ON lifecycle (event_id, source);
CREATE UNIQUE INDEX quarantine_once ON quarantine (topic, partition, "offset");
CREATE INDEX quarantine_to_copy ON quarantine (dead_letter);
CREATE INDEX ix_rollouts_service ON rollouts (service);
CREATE INDEX ix_rollouts_state ON rollouts (state);
CREATE INDEX ix_rollout_steps_rollout ON rollout_steps (rollout);
CREATE INDEX ix_syncs_commit ON syncs ("commit");
CREATE INDEX ix_syncs_state ON syncs (state);
COMMIT;
