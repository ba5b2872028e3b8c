-- An updated row moves to the end of its table, and CLUSTER changes what the planner knows: both
-- twins get the same, so that the order of rows is no secret's doing.
CLUSTER patients USING patients_pkey;
CLUSTER encounters USING encounters_pkey;
CLUSTER staff USING staff_pkey;
CLUSTER guarded USING guarded_pkey;
CLUSTER checked USING checked_pkey;
